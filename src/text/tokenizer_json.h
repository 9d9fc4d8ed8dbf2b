// The parts of a tokenizer.json (Hugging Face `tokenizers`) that the conversions
// put together. Internal to src/text.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace mm_orch::text {

/// How a byte-level BPE cuts text into words before merging.
struct ByteLevelStyle {
  nlohmann::json normalizer;     // null: none
  nlohmann::json pre_tokenizer;  // ends in ByteLevel
  bool ignore_merges = false;    // a word that is a token is taken whole
  bool add_bos_by_default = false;
};

/// The style for a name as in `tokenizer.ggml.pre`; none if we lack it.
std::optional<ByteLevelStyle> byte_level_style(const std::string& name);
/// The names `byte_level_style` knows: "default, gpt-2, ...".
std::string byte_level_style_names();

/// A token that is matched in the text before anything else.
struct AddedToken {
  int64_t id;
  std::string content;
  bool special;
  bool left_strip = false;
  bool right_strip = false;
  bool single_word = false;
  bool normalized = false;
};

struct SequenceToken {
  int64_t id;
  std::string content;
};

/// @param merges  array of [left, right], best first.
nlohmann::json bpe_model(nlohmann::json vocabulary, nlohmann::json merges);

/// A part of what surrounds a text: a token, or the text itself.
struct TemplatePart {
  std::optional<SequenceToken> token;
  int type_id = 0;
};

/// What is put around one text, and around two, in order; type ids as BERT's token_type_ids.
nlohmann::json template_processing(const std::vector<TemplatePart>& single,
                                   const std::vector<TemplatePart>& pair);

/// Puts BOS before and EOS after every text; null if both are none.
nlohmann::json sequence_template(const std::optional<SequenceToken>& bos,
                                 const std::optional<SequenceToken>& eos);

struct TokenizerParts {
  nlohmann::json normalizer;
  nlohmann::json pre_tokenizer;
  nlohmann::json model;
  nlohmann::json post_processor;
  nlohmann::json decoder;
  std::vector<AddedToken> added_tokens;  // any order
};

/// The text of the tokenizer.json.
std::string write_tokenizer_json(TokenizerParts parts);

/// The decoder of byte-level BPE.
nlohmann::json byte_level_decoder();

}  // namespace mm_orch::text
