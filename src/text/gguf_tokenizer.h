// The vocabulary inside a GGUF, written as a tokenizer.json. Internal to src/text.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace mm_orch::text {

/// @param metadata  keys "tokenizer.ggml.*", arrays included.
/// @throws FileValidationError    arrays of different length, merges of unknown tokens, tokens that
///                                are no UTF-8 or come twice, ids out of range.
/// @throws UnsupportedModelError  a tokenizer model or pre-tokenizer we lack.
std::string gguf_tokenizer_json(const nlohmann::json& metadata);

}  // namespace mm_orch::text
