// A compiled model in the paged form and the memory of its cache.
#pragma once

#include <openvino/runtime/compiled_model.hpp>
#include <openvino/runtime/infer_request.hpp>
#include <vector>

#include "backend/paged.h"
#include "base/sparse_memory.h"
#include "mm_orch/errors.h"

namespace mm_orch::openvino {

class PagedDecoder : public backend::PagedRunner {
 public:
  /// @param model           compiled from `paged_form`.
  /// @param kv_cache_bytes  room for keys and values; one context at least.
  PagedDecoder(ov::CompiledModel model, const graph::ModelInfo& info, const ErrorContext& context,
               uint64_t kv_cache_bytes);

  const ov::CompiledModel& compiled() const { return model_; }

 private:
  struct CacheInput {
    std::string name;
    ov::element::Type type;
    ov::Shape shape;  // the first axis being the block
    size_t block_bytes;
    std::byte* data = nullptr;
  };
  static std::vector<CacheInput> cache_inputs(const ov::CompiledModel& model);
  static Layout plan(const std::vector<CacheInput>& inputs, const graph::ModelInfo& info,
                     uint64_t kv_cache_bytes);
  PagedDecoder(ov::CompiledModel model, const graph::ModelInfo& info, const ErrorContext& context,
               std::vector<CacheInput> inputs, const Layout& layout);

  void run(std::span<const backend::SequenceStep> sequences, std::vector<float>& logits) override;
  void copy(int32_t from, int32_t to) override;
  void make_request();
  void lay_out(std::span<const backend::SequenceStep> sequences);
  void set_inputs();

  ov::CompiledModel model_;
  const ErrorContext context_;
  std::vector<CacheInput> caches_;
  SparseMemory memory_;
  ov::InferRequest request_;
  bool failed_ = false;  // the request is not to be trusted
  // Memory behind the request's input tensors.
  std::vector<int64_t> tokens_, positions_, rows_;
  std::vector<int32_t> past_, starts_, blocks_, block_starts_;
  int32_t longest_ = 0;
};

}  // namespace mm_orch::openvino
