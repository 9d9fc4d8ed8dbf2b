// spiece.model (T5) and tokenizer.model (Llama), written as a tokenizer.json. Internal to
// src/text.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace mm_orch::text {

/// None if the folder holds neither file. Special tokens and flags come from
/// tokenizer_config.json; without it the algorithm says whether it is T5's or Llama's.
/// @throws FileValidationError    a file is damaged or they contradict each other.
/// @throws UnsupportedModelError  tokenizer_config.json names a tokenizer class we lack.
std::optional<std::string> sentencepiece_tokenizer_json(const std::filesystem::path& directory);

}  // namespace mm_orch::text
