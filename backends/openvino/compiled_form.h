// What compiling gives: all of a model that generates text but its sessions.
#pragma once

#include <cstdint>
#include <memory>
#include <openvino/runtime/compiled_model.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/mapped_file.h"

namespace mm_orch::openvino {

struct CompiledForm {
  std::shared_ptr<const MappedFile> file;  // that the rest lies in; null: none. Goes last
  ov::CompiledModel decoder;
  std::optional<ov::CompiledModel> encoder;  // none: the model has none
  std::vector<std::string> source_names;     // of the states that the encoder gives the decoder
  std::string precision;                     // of the weights
  uint64_t memory_bytes = 0;                 // of the weights
};

}  // namespace mm_orch::openvino
