// vocab.json + merges.txt (or GPT-2's own encoder.json + vocab.bpe), written as a
// tokenizer.json. Internal to src/text.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace mm_orch::text {

/// None if the folder holds neither pair. Special tokens come from tokenizer_config.json,
/// special_tokens_map.json and added_tokens.json, else "<|endoftext|>" is the only one.
/// @throws FileValidationError    a file is damaged or they contradict each other.
/// @throws UnsupportedModelError  tokenizer_config.json names a tokenizer class we lack.
std::optional<std::string> bpe_files_tokenizer_json(const std::filesystem::path& directory);

}  // namespace mm_orch::text
