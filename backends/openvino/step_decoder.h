// A compiled T5 decoder in the step form, and the memory of its cache.
#pragma once

#include <openvino/runtime/infer_request.hpp>
#include <vector>

#include "backend/paged.h"
#include "base/sparse_memory.h"
#include "compiled_form.h"
#include "mm_orch/errors.h"
#include "source_reader.h"
#include "step_attention.h"

namespace mm_orch::openvino {

class StepDecoder : public backend::PagedRunner {
 public:
  /// @param form            its decoder compiled from `step_form`.
  /// @param kv_cache_bytes  room for keys and values of the new tokens.
  StepDecoder(const CompiledForm& form, const graph::ModelInfo& info, const ErrorContext& context,
              uint64_t kv_cache_bytes);

 private:
  void run(std::span<const backend::SequenceStep> sequences, std::vector<float>& logits) override;
  void copy(int32_t from, int32_t to) override { blocks_.copy(from, to); }
  std::vector<std::shared_ptr<const backend::EncodedSource>> encode(
      const std::vector<std::span<const int64_t>>& texts) override;
  void lay_out(std::span<const backend::SequenceStep> sequences);

  ov::CompiledModel model_;
  SourceReader sources_;
  const ErrorContext context_;
  SparseBlocks blocks_;
  ov::InferRequest request_;
  bool failed_ = true;  // the request is not to be trusted
  StepLayout step_;
  // Memory behind the request's input tensors.
  std::vector<int64_t> tokens_, rows_;
  const StepLayout* step_address_ = &step_;
};

}  // namespace mm_orch::openvino
