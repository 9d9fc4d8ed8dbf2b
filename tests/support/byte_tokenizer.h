// A byte-level tokenizer without merges: the id of a byte is its value. Then
// "<|end|>" (special), then words given by the test.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace mm_orch::testing {

inline constexpr int64_t kEndToken = 256;

/// The character that stands for a byte in byte-level vocabularies.
inline std::string byte_character(unsigned byte) {
  const auto stands_for_itself = [](unsigned b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  unsigned code = byte;
  if (!stands_for_itself(byte)) {
    code = 256;
    for (unsigned b = 0; b < byte; ++b) code += !stands_for_itself(b);
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3f))};
}

/// @param words  tokens 257, 258 ... : each is the bytes of one string.
inline std::shared_ptr<const text::Tokenizer> byte_tokenizer(
    const std::vector<std::string>& words = {}) {
  nlohmann::json vocabulary;
  for (unsigned byte = 0; byte < 256; ++byte) vocabulary[byte_character(byte)] = byte;
  for (size_t i = 0; i < words.size(); ++i) {
    std::string token;
    for (unsigned char byte : words[i]) token += byte_character(byte);
    vocabulary[token] = kEndToken + 1 + static_cast<int64_t>(i);
  }
  const nlohmann::json byte_level = {{"type", "ByteLevel"},
                                     {"add_prefix_space", false},
                                     {"trim_offsets", false},
                                     {"use_regex", false}};
  const nlohmann::json tokenizer = {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", kEndToken},
         {"content", "<|end|>"},
         {"single_word", false},
         {"lstrip", false},
         {"rstrip", false},
         {"normalized", false},
         {"special", true}}}},
      {"pre_tokenizer", byte_level},
      {"decoder", byte_level},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}}}};
  return text::Tokenizer::from_json(tokenizer.dump());
}

}  // namespace mm_orch::testing
