// A sequence batch over one inference request, which holds its KV cache.
#pragma once

#include <memory>
#include <openvino/runtime/infer_request.hpp>
#include <vector>

#include "backend/inputs.h"
#include "loaded_model.h"

namespace mm_orch::openvino {

class OpenVinoSession : public backend::Session {
 public:
  /// @param owner  keeps `model` alive; null if the caller does.
  OpenVinoSession(OpenVinoModel& model, std::shared_ptr<const backend::LoadedModel> owner,
                  const backend::SessionOptions& options);
  ~OpenVinoSession() override;

  std::span<const float> step(std::span<const int64_t> tokens,
                              backend::LogitsOf logits_of) override;
  void reorder(std::span<const int32_t> source) override;
  int64_t length() const override { return length_; }

 private:
  int64_t check_tokens(std::span<const int64_t> tokens) const;
  void set_inputs(std::span<const int64_t> tokens, int64_t count, backend::LogitsOf logits_of);
  void set_sources();
  std::span<const float> logits(int64_t count, backend::LogitsOf logits_of);

  OpenVinoModel& model_;
  std::shared_ptr<const backend::LoadedModel> owner_;
  int64_t batch_;
  std::vector<int64_t> padding_;  // [B]
  int64_t length_ = 0;
  bool failed_ = false;  // the request's state is not to be trusted
  ov::InferRequest request_;
  bool has_mask_, has_positions_, has_beams_, has_cut_;
  std::vector<int32_t> beams_;  // [B]: applied at the next step
  backend::UniqueSources sources_;
  SourceReader::States texts_;   // of the distinct sources
  SourceReader::States spread_;  // of each sequence's, as the request reads them
  // Memory behind the request's input tensors.
  std::vector<int64_t> tokens_, mask_, positions_;
  int64_t first_position_ = 0;
  std::vector<float> last_;  // [B, 1, V], for models without the cut
};

}  // namespace mm_orch::openvino
