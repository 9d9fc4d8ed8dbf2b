#include "text/gguf_tokenizer.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_map>

#include "mm_orch/errors.h"
#include "text/spm_merges.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"

namespace mm_orch::text {

namespace {

using nlohmann::json;

enum TokenType { kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6 };

[[noreturn]] void contradiction(const std::string& what) {
  throw FileValidationError(
      fmt::format("the GGUF vocabulary contradicts itself: {}; convert the model again", what));
}

class Vocabulary {
 public:
  explicit Vocabulary(const json& metadata) : metadata_(metadata) {
    const json& tokens = array("tokens", true);
    const json& types = array("token_type", false);
    if (types.is_array() && types.size() != tokens.size()) {
      contradiction(fmt::format("{} tokens, but {} token types", tokens.size(), types.size()));
    }
    for (size_t id = 0; id < tokens.size(); ++id) {
      const std::string& token = text(tokens[id], "token", id);
      const auto [first, added] = ids_.emplace(token, static_cast<int64_t>(id));
      if (!added) {
        contradiction(fmt::format("token \"{}\" has the ids {} and {}", token, first->second, id));
      }
      if (types.is_array() && !types[id].is_number_integer()) {
        contradiction(fmt::format("the type of token {} is no integer", id));
      }
      types_.push_back(types.is_array() ? types[id].get<int>() : 1);
    }
  }

  size_t size() const { return types_.size(); }
  const std::string& token(size_t id) const { return tokens()[id].get_ref<const std::string&>(); }
  int type(size_t id) const { return types_[id]; }
  bool has(std::string_view token) const { return ids_.contains(token); }

  /// The array tokenizer.ggml.<name>; a null value if it is absent and not needed.
  const json& array(const std::string& name, bool needed) const {
    const json& value = get(name);
    if (value.is_array() || (value.is_null() && !needed)) return value;
    throw FileValidationError(fmt::format(
        "the GGUF metadata has no array tokenizer.ggml.{} (found {}); convert the model again",
        name, value.is_null() ? "nothing" : value.type_name()));
  }

  const std::string& text(const json& value, const char* what, size_t index) const {
    if (!value.is_string()) contradiction(fmt::format("{} {} is no string", what, index));
    const auto& string = value.get_ref<const std::string&>();
    if (const auto offset = first_invalid_utf8(string)) {
      contradiction(fmt::format("{} {} is not UTF-8 (byte {})", what, index, *offset));
    }
    return string;
  }

  const json& get(const std::string& name) const {
    static const json kNone;
    const auto found = metadata_.find("tokenizer.ggml." + name);
    return found == metadata_.end() ? kNone : *found;
  }

  std::string string_or(const std::string& name, const std::string& otherwise) const {
    const json& value = get(name);
    return value.is_string() ? value.get<std::string>() : otherwise;
  }

  bool flag(const std::string& name, bool otherwise) const {
    const json& value = get(name);
    return value.is_boolean() ? value.get<bool>() : otherwise;
  }

  /// The token of tokenizer.ggml.<name>_token_id.
  std::optional<SequenceToken> named_token(const std::string& name,
                                           std::optional<int64_t> otherwise) const {
    const std::string key = name + "_token_id";
    const json& value = get(key);
    const std::optional<int64_t> id =
        value.is_number_integer() ? std::optional(value.get<int64_t>()) : otherwise;
    if (!id) return std::nullopt;
    if (*id < 0 || *id >= static_cast<int64_t>(size())) {
      contradiction(
          fmt::format("tokenizer.ggml.{} is {}, but there are {} tokens", key, *id, size()));
    }
    return SequenceToken{*id, token(static_cast<size_t>(*id))};
  }

  /// BOS and EOS where the flags ask for them.
  json post_processor(bool add_bos_by_default, std::optional<int64_t> bos_id,
                      std::optional<int64_t> eos_id) const {
    const bool add_bos = flag("add_bos_token", add_bos_by_default);
    const bool add_eos = flag("add_eos_token", false);
    return sequence_template(add_bos ? named_token("bos", bos_id) : std::nullopt,
                             add_eos ? named_token("eos", eos_id) : std::nullopt);
  }

  std::vector<AddedToken> added_tokens(bool unknown_is_special) const {
    std::vector<AddedToken> added;
    for (size_t id = 0; id < size(); ++id) {
      const bool special = type(id) == kControl || (unknown_is_special && type(id) == kUnknown);
      if ((special || type(id) == kUserDefined) && !token(id).empty()) {
        added.push_back({.id = static_cast<int64_t>(id), .content = token(id), .special = special});
      }
    }
    return added;
  }

  json vocabulary_object() const {
    auto object = json::object();
    for (size_t id = 0; id < size(); ++id) object[token(id)] = id;
    return object;
  }

  /// tokenizer.ggml.merges as [left, right] pairs.
  json merges() const {
    const json& lines = array("merges", true);
    auto pairs = json::array();
    for (size_t i = 0; i < lines.size(); ++i) {
      const std::string& line = text(lines[i], "merge", i);
      const size_t space = line.find(' ', 1);
      if (space == std::string::npos || space + 1 == line.size()) {
        contradiction(fmt::format("merge {} is \"{}\", not two tokens", i, line));
      }
      const std::string left = line.substr(0, space);
      const std::string right = line.substr(space + 1);
      for (const std::string& part : {left, right, left + right}) {
        if (!has(part)) {
          contradiction(
              fmt::format("merge {} (\"{}\") names the unknown token \"{}\"", i, line, part));
        }
      }
      pairs.push_back({left, right});
    }
    return pairs;
  }

 private:
  const json& tokens() const { return get("tokens"); }

  const json& metadata_;
  std::unordered_map<std::string_view, int64_t> ids_;
  std::vector<int> types_;
};

std::string byte_level_tokenizer(const Vocabulary& vocabulary) {
  const std::string name = vocabulary.string_or("pre", "default");
  auto style = byte_level_style(name);
  if (!style) {
    throw UnsupportedModelError(
        fmt::format("the GGUF names the pre-tokenizer \"{}\" (tokenizer.ggml.pre), which is not "
                    "among those known: {}; put the model's tokenizer.json beside a safetensors "
                    "copy of it instead",
                    name, byte_level_style_names()));
  }
  TokenizerParts parts;
  parts.normalizer = std::move(style->normalizer);
  parts.pre_tokenizer = std::move(style->pre_tokenizer);
  parts.model = bpe_model(vocabulary.vocabulary_object(), vocabulary.merges());
  parts.model["ignore_merges"] = style->ignore_merges;
  parts.post_processor =
      vocabulary.post_processor(style->add_bos_by_default, std::nullopt, std::nullopt);
  parts.decoder = byte_level_decoder();
  parts.added_tokens = vocabulary.added_tokens(false);
  return write_tokenizer_json(std::move(parts));
}

json scored_merges(const Vocabulary& vocabulary) {
  const json& scores = vocabulary.array("scores", true);
  if (scores.size() != vocabulary.size()) {
    contradiction(fmt::format("{} tokens, but {} scores", vocabulary.size(), scores.size()));
  }
  std::vector<Piece> pieces;
  pieces.reserve(vocabulary.size());
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    if (!scores[id].is_number())
      contradiction(fmt::format("the score of token {} is no number", id));
    const int type = vocabulary.type(id);
    const bool merges = type != kUnknown && type != kControl && type != kByte;
    pieces.push_back({vocabulary.token(id), scores[id].get<double>(), merges});
  }
  return spm_merges(pieces);
}

std::string sentencepiece_tokenizer(const Vocabulary& vocabulary) {
  const bool add_space = vocabulary.flag("add_space_prefix", true);
  TokenizerParts parts;
  auto normalizers = json::array();
  if (add_space) normalizers.push_back({{"type", "Prepend"}, {"prepend", "▁"}});
  normalizers.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "▁"}});
  parts.normalizer = {{"type", "Sequence"}, {"normalizers", normalizers}};

  const bool has_merges = vocabulary.get("merges").is_array();
  parts.model = bpe_model(vocabulary.vocabulary_object(),
                          has_merges ? vocabulary.merges() : scored_merges(vocabulary));
  parts.model["fuse_unk"] = true;
  parts.model["byte_fallback"] = vocabulary.has("<0x00>");
  if (const auto unknown = vocabulary.named_token("unknown", 0)) {
    parts.model["unk_token"] = unknown->content;
  }

  auto decoders = json::array();
  decoders.push_back({{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}});
  decoders.push_back({{"type", "ByteFallback"}});
  decoders.push_back({{"type", "Fuse"}});
  if (add_space) {
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  parts.decoder = {{"type", "Sequence"}, {"decoders", decoders}};
  // SentencePiece's own ids of BOS and EOS, where the file names none.
  parts.post_processor = vocabulary.post_processor(true, 1, 2);
  parts.added_tokens = vocabulary.added_tokens(true);
  return write_tokenizer_json(std::move(parts));
}

}  // namespace

std::string gguf_tokenizer_json(const json& metadata) {
  if (!metadata.is_object()) throw FileValidationError("the GGUF metadata is no object");
  const Vocabulary vocabulary(metadata);
  const std::string model = vocabulary.string_or("model", "");
  if (model == "gpt2") return byte_level_tokenizer(vocabulary);
  if (model == "llama") return sentencepiece_tokenizer(vocabulary);
  throw UnsupportedModelError(fmt::format(
      "the GGUF holds a tokenizer of the kind \"{}\" (tokenizer.ggml.model); those known "
      "are \"gpt2\" (byte-level BPE) and \"llama\" (SentencePiece BPE)",
      model));
}

}  // namespace mm_orch::text
