// Texts of unequal length as the rectangle that OpenVINO wants, padded at the right.
#pragma once

#include <cstdint>
#include <openvino/runtime/infer_request.hpp>
#include <vector>

#include "backend/backend.h"

namespace mm_orch::openvino {

class PaddedTexts {
 public:
  explicit PaddedTexts(const backend::EncoderInput& texts);

  /// Sets input_ids, attention_mask and, where the model has it, token_type_ids. They point into
  /// this object.
  void set_inputs(ov::InferRequest& request);
  size_t longest() const { return longest_; }

 private:
  size_t count_, longest_ = 0;
  std::vector<int64_t> ids_, mask_, types_;  // [B, E]
};

}  // namespace mm_orch::openvino
