// What a decoder reads of the source texts, computed once for them. An exported decoder
// projects the encoder's output to keys and values at every step, as other tools
// expect it; here all that depends on the source alone moves into the encoder's model.
#pragma once

#include <memory>
#include <openvino/core/model.hpp>
#include <openvino/runtime/tensor.hpp>
#include <span>
#include <string>
#include <vector>

#include "request_pool.h"

namespace mm_orch::openvino {

/// Moves what depends on `encoder_hidden_states` and `encoder_attention_mask` alone from `decoder`
/// to `encoder`, whose results it becomes; the decoder gets inputs of the same names.
/// @return  those names.
/// @throws UnsupportedModelError  the decoder has no input of encoder_hidden_states, or reads
/// shapes
///                                of the source, as optimum's does.
std::vector<std::string> move_source_part(std::shared_ptr<ov::Model>& encoder,
                                          std::shared_ptr<ov::Model>& decoder);

class SourceReader {
 public:
  SourceReader(ov::CompiledModel encoder, std::vector<std::string> names)
      : requests_(std::move(encoder)), names_(std::move(names)) {}

  using States = std::vector<ov::Tensor>;  // by name, the first axis being the text
  States read(const std::vector<std::span<const int64_t>>& texts);
  const std::vector<std::string>& names() const { return names_; }

 private:
  RequestPool requests_;
  std::vector<std::string> names_;
};

/// The states of text index[b] for each sequence b.
SourceReader::States spread(const SourceReader::States& states, std::span<const int32_t> index);

}  // namespace mm_orch::openvino
