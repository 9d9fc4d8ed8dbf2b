// vocab.txt (BERT's WordPiece), written as a tokenizer.json. Internal to src/text.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace mm_orch::text {

/// None if the folder holds no vocab.txt. Case, accents and special tokens come from
/// tokenizer_config.json, else as bert-base-uncased has them.
/// @throws FileValidationError    a file is damaged or they contradict each other.
/// @throws UnsupportedModelError  tokenizer_config.json names a tokenizer class we lack.
std::optional<std::string> wordpiece_tokenizer_json(const std::filesystem::path& directory);

}  // namespace mm_orch::text
