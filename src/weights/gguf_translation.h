// GGUF's conventions → transformers': hyper-parameters and tensor names.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "weights/gguf.h"

namespace mm_orch::weights {

/// general.architecture.
/// @throws FileValidationError  it is missing or no string.
std::string gguf_architecture(const GgufFile& file, const std::filesystem::path& path);

/// The content that config.json would have.
/// @throws FileValidationError    a hyper-parameter is missing or of the wrong type.
/// @throws UnsupportedModelError  a hyper-parameter differs from layer to layer.
nlohmann::json config_from_gguf(const GgufFile& file, const std::filesystem::path& path);

/// "blk.0.attn_q.weight" → "model.layers.0.self_attn.q_proj.weight". A name without a counterpart
/// stays as it is.
std::string transformers_name(const std::string& architecture, const std::string& gguf_name);

/// The head size whose halves are interleaved in the rows of this tensor on disk; 0 if none.
int64_t interleaved_head_size(const std::string& architecture, const std::string& gguf_name,
                              int64_t head_size);

}  // namespace mm_orch::weights
