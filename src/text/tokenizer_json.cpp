#include "text/tokenizer_json.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace mm_orch::text {

namespace {

using nlohmann::json;

enum class Words { kGpt2, kGpt2Digits, kLlama3, kQwen2 };

struct NamedStyle {
  std::string_view name;
  Words words;
};

// Names as llama.cpp gives them (llama-vocab.cpp), grouped as it groups them.
constexpr std::array kStyles = {
    NamedStyle{"default", Words::kGpt2},
    NamedStyle{"gpt-2", Words::kGpt2},
    NamedStyle{"jais", Words::kGpt2},
    NamedStyle{"mpt", Words::kGpt2},
    NamedStyle{"olmo", Words::kGpt2},
    NamedStyle{"phi-2", Words::kGpt2},
    NamedStyle{"codeshell", Words::kGpt2Digits},
    NamedStyle{"command-r", Words::kGpt2Digits},
    NamedStyle{"exaone", Words::kGpt2Digits},
    NamedStyle{"refact", Words::kGpt2Digits},
    NamedStyle{"smollm", Words::kGpt2Digits},
    NamedStyle{"starcoder", Words::kGpt2Digits},
    NamedStyle{"falcon3", Words::kLlama3},
    NamedStyle{"llama-bpe", Words::kLlama3},
    NamedStyle{"llama-v3", Words::kLlama3},
    NamedStyle{"llama3", Words::kLlama3},
    NamedStyle{"qwen2", Words::kQwen2},
};

// Source: tokenizer.json of Llama 3 and of Qwen2 (their tokenizers' split patterns).
constexpr const char* kLlama3Split =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kQwen2Split = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
                                    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

json in_sequence(json first, json second) {
  return {{"type", "Sequence"}, {"pretokenizers", json::array({first, second})}};
}

json split_then_bytes(const char* pattern) {
  return in_sequence({{"type", "Split"},
                      {"pattern", {{"Regex", pattern}}},
                      {"behavior", "Isolated"},
                      {"invert", false}},
                     byte_level(false));
}

json template_parts(const std::vector<TemplatePart>& parts) {
  json result = json::array();
  bool first_text = true;
  for (const TemplatePart& part : parts) {
    if (part.token) {
      result.push_back(
          {{"SpecialToken", {{"id", part.token->content}, {"type_id", part.type_id}}}});
    } else {
      const char* text = std::exchange(first_text, false) ? "A" : "B";
      result.push_back({{"Sequence", {{"id", text}, {"type_id", part.type_id}}}});
    }
  }
  return result;
}

}  // namespace

std::optional<ByteLevelStyle> byte_level_style(const std::string& name) {
  const auto found = std::find_if(kStyles.begin(), kStyles.end(),
                                  [&](const NamedStyle& style) { return style.name == name; });
  if (found == kStyles.end()) return std::nullopt;
  ByteLevelStyle style;
  switch (found->words) {
    case Words::kGpt2:
      style.pre_tokenizer = byte_level(true);
      break;
    case Words::kGpt2Digits:
      style.pre_tokenizer =
          in_sequence({{"type", "Digits"}, {"individual_digits", true}}, byte_level(true));
      break;
    case Words::kLlama3:
      style.pre_tokenizer = split_then_bytes(kLlama3Split);
      style.ignore_merges = true;
      style.add_bos_by_default = true;
      break;
    case Words::kQwen2:
      style.normalizer = {{"type", "NFC"}};
      style.pre_tokenizer = split_then_bytes(kQwen2Split);
      break;
  }
  return style;
}

std::string byte_level_style_names() {
  std::string names;
  for (const NamedStyle& style : kStyles) {
    if (!names.empty()) names += ", ";
    names += style.name;
  }
  return names;
}

json bpe_model(json vocabulary, json merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

json template_processing(const std::vector<TemplatePart>& single,
                         const std::vector<TemplatePart>& pair) {
  json tokens = json::object();
  for (const auto* parts : {&single, &pair}) {
    for (const TemplatePart& part : *parts) {
      if (!part.token) continue;
      const std::string& content = part.token->content;
      tokens[content] = {{"id", content}, {"ids", {part.token->id}}, {"tokens", {content}}};
    }
  }
  return {{"type", "TemplateProcessing"},
          {"single", template_parts(single)},
          {"pair", template_parts(pair)},
          {"special_tokens", tokens}};
}

json sequence_template(const std::optional<SequenceToken>& bos,
                       const std::optional<SequenceToken>& eos) {
  if (!bos && !eos) return nullptr;
  std::vector<TemplatePart> single;
  std::vector<TemplatePart> pair;
  for (const int type_id : {0, 1}) {
    if (bos) pair.push_back({bos, type_id});
    pair.push_back({std::nullopt, type_id});
    if (eos) pair.push_back({eos, type_id});
    if (type_id == 0) single = pair;
  }
  return template_processing(single, pair);
}

json byte_level_decoder() { return byte_level(true); }

std::string write_tokenizer_json(TokenizerParts parts) {
  std::sort(parts.added_tokens.begin(), parts.added_tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  json added = json::array();
  for (const AddedToken& token : parts.added_tokens) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.left_strip},
                     {"rstrip", token.right_strip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  }
  return json{{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", std::move(added)},
              {"normalizer", std::move(parts.normalizer)},
              {"pre_tokenizer", std::move(parts.pre_tokenizer)},
              {"post_processor", std::move(parts.post_processor)},
              {"decoder", std::move(parts.decoder)},
              {"model", std::move(parts.model)}}
      .dump();
}

}  // namespace mm_orch::text
