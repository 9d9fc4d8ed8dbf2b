// Small vocabularies for the text tests, as GGUF metadata.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace mm_orch::text::testing {

inline std::string utf8(unsigned code) {
  if (code < 0x80) return {static_cast<char>(code)};
  return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

/// GPT-2's spelling of the bytes: token id = byte.
inline std::vector<std::string> byte_alphabet() {
  std::vector<std::string> tokens(256);
  unsigned next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
    tokens[byte] = utf8(printable ? byte : next++);
  }
  return tokens;
}

/// Ids 0 to 255 are the bytes, 256 "he", 257 "Ġhe", 258 "<|end|>" (control), 259 "<think>" (user).
inline nlohmann::json byte_level_gguf() {
  auto tokens = byte_alphabet();
  for (const char* token : {"he", "Ġhe", "<|end|>", "<think>"}) tokens.push_back(token);
  std::vector<int> types(258, 1);
  types.insert(types.end(), {3, 4});
  return {{"tokenizer.ggml.model", "gpt2"},
          {"tokenizer.ggml.pre", "gpt-2"},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.merges", {"h e", "Ġ he"}}};
}

/// Ids 0 to 2 are <unk>, <s>, </s>, 3 to 258 the bytes, then pieces.
inline nlohmann::json sentencepiece_gguf() {
  std::vector<std::string> tokens{"<unk>", "<s>", "</s>"};
  std::vector<int> types{2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(fmt::format("<0x{:02X}>", byte));
    types.push_back(6);
  }
  std::vector<double> scores(tokens.size(), 0.0);
  double score = -1;
  for (const char* piece : {"ab", "▁ab", "▁", "a", "b", "c"}) {
    tokens.push_back(piece);
    types.push_back(1);
    scores.push_back(score--);
  }
  return {{"tokenizer.ggml.model", "llama"},
          {"tokenizer.ggml.tokens", tokens},
          {"tokenizer.ggml.token_type", types},
          {"tokenizer.ggml.scores", scores}};
}

inline std::shared_ptr<const Tokenizer> load(nlohmann::json metadata) {
  return Tokenizer::from_files(
      {.directory = {}, .gguf = std::make_shared<const nlohmann::json>(std::move(metadata))});
}

}  // namespace mm_orch::text::testing
