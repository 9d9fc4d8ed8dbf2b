// What a model with a decoder answers on PyTorch in FP32, kept so that several forms of the
// model can be held against it.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "graph/graph.h"
#include "weights/model_source.h"

namespace mm_orch::exporter {

/// The fixed prompts as one batch, fed token by token; a decoder that follows an encoder gets them
/// as sources too. All are of one length.
class DecoderPrompts {
 public:
  DecoderPrompts(const weights::ModelSource& source, const graph::ModelInfo& info);

  int64_t length() const { return length_; }
  size_t count() const { return fed_.size(); }
  /// Whose sources are views of this.
  backend::SessionOptions session_options() const;
  std::vector<int64_t> tokens_at(int64_t position) const;

 private:
  bool is_source_;
  std::vector<std::vector<int64_t>> prompts_;
  std::vector<std::vector<int64_t>> fed_;  // to the decoder
  int64_t length_;
};

class MM_ORCH_EXPORT DecoderReference {
 public:
  /// @throws BackendError      the source cannot be run.
  /// @throws OutOfMemoryError  the memory is not there.
  DecoderReference(const weights::ModelSource& source, const graph::Graph& graph);

  /// Mean KL divergence of the next token's distributions, KL(source || model), in nats; infinite
  /// if the model gives NaN or Inf.
  double mean_kl(backend::LoadedModel& model) const;

 private:
  DecoderPrompts prompts_;
  size_t vocabulary_;
  std::vector<std::vector<float>> logits_;  // [T][B, V]
};

}  // namespace mm_orch::exporter
