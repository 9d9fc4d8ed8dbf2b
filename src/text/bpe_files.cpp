#include "text/bpe_files.h"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "mm_orch/errors.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"
#include "weights/checked_json.h"

namespace mm_orch::text {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

[[noreturn]] void damaged(const fs::path& path, const std::string& what) {
  throw FileValidationError(
      fmt::format("{} is damaged: {}; copy or download it again", path.string(), what),
      {.path = path.string()});
}

json read_vocabulary(const fs::path& path) {
  json vocabulary = weights::read_json_object(path);
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_unsigned())
      damaged(path, fmt::format("the id of \"{}\" is no number", token));
  }
  return vocabulary;
}

json read_merges(const fs::path& path, const json& vocabulary) {
  const std::string content = read_text_file(path);
  if (const auto offset = first_invalid_utf8(content)) {
    damaged(path, fmt::format("byte {} is not UTF-8", *offset));
  }
  std::istringstream lines(content);
  auto merges = json::array();
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    const size_t space = line.find(' ', 1);
    if (space == std::string::npos || space + 1 == line.size()) {
      damaged(path, fmt::format("line {} is \"{}\", not two tokens", number, line));
    }
    const std::string left = line.substr(0, space);
    const std::string right = line.substr(space + 1);
    for (const std::string& part : {left, right, left + right}) {
      if (!vocabulary.contains(part)) {
        damaged(path, fmt::format("line {} (\"{}\") names \"{}\", which the vocabulary lacks",
                                  number, line, part));
      }
    }
    merges.push_back({left, right});
  }
  return merges;
}

std::string content_of(const json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string()) {
    return token["content"].get<std::string>();
  }
  return "";
}

// Collects added tokens from the files that may name them, each once.
class AddedTokens {
 public:
  explicit AddedTokens(const json& vocabulary) : vocabulary_(vocabulary) {
    for (const auto& [token, id] : vocabulary.items()) {
      next_id_ = std::max(next_id_, id.get<int64_t>() + 1);
    }
  }

  void add(const json& token, bool special, std::optional<int64_t> id = std::nullopt) {
    const std::string content = content_of(token);
    if (content.empty() || tokens_.contains(content)) return;
    if (!id && vocabulary_.contains(content)) id = vocabulary_[content].get<int64_t>();
    if (!id) id = next_id_;
    next_id_ = std::max(next_id_, *id + 1);
    AddedToken added{.id = *id, .content = content, .special = special};
    if (token.is_object()) {
      added.special = token.value("special", special);
      added.left_strip = token.value("lstrip", false);
      added.right_strip = token.value("rstrip", false);
      added.single_word = token.value("single_word", false);
      added.normalized = token.value("normalized", false);
    }
    tokens_.emplace(content, added);
  }

  std::vector<AddedToken> all() const {
    std::vector<AddedToken> result;
    for (const auto& [content, token] : tokens_) result.push_back(token);
    return result;
  }

  std::optional<SequenceToken> find(const std::string& content) const {
    const auto found = tokens_.find(content);
    if (found == tokens_.end()) return std::nullopt;
    return SequenceToken{found->second.id, content};
  }

 private:
  const json& vocabulary_;
  std::map<std::string, AddedToken> tokens_;
  int64_t next_id_ = 0;
};

AddedTokens collect_added_tokens(const fs::path& directory, const json& config,
                                 const json& vocabulary) {
  AddedTokens added(vocabulary);
  const json decoder = config.value("added_tokens_decoder", json::object());
  if (!decoder.is_object()) {
    damaged(directory / "tokenizer_config.json", "added_tokens_decoder is no object");
  }
  for (const auto& [id, token] : decoder.items()) added.add(token, false, std::stoll(id));
  const json older = weights::read_optional_json_object(directory / "added_tokens.json");
  const json map = weights::read_optional_json_object(directory / "special_tokens_map.json");
  for (const json& names : {map, config}) {
    for (const char* name : {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token",
                             "cls_token", "mask_token"}) {
      if (!names.contains(name)) continue;
      const std::string content = content_of(names[name]);
      const bool has_id = older.contains(content) && older[content].is_number_integer();
      added.add(names[name], true,
                has_id ? std::optional(older[content].get<int64_t>()) : std::nullopt);
    }
    for (const json& token : names.value("additional_special_tokens", json::array())) {
      added.add(token, true);
    }
  }
  for (const auto& [content, id] : older.items()) added.add(content, false, id.get<int64_t>());
  if (added.all().empty() && vocabulary.contains("<|endoftext|>")) added.add("<|endoftext|>", true);
  return added;
}

ByteLevelStyle style_of(const fs::path& config_path, const json& config) {
  std::string name = config.value("tokenizer_class", "GPT2Tokenizer");
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  if (name == "GPT2Tokenizer" || name == "PreTrainedTokenizer") return *byte_level_style("gpt-2");
  if (name == "Qwen2Tokenizer") return *byte_level_style("qwen2");
  throw UnsupportedModelError(
      fmt::format(
          "{} names the tokenizer class \"{}\"; vocab.json and merges.txt alone are read for "
          "GPT2Tokenizer and Qwen2Tokenizer; add the model's tokenizer.json",
          config_path.string(), name),
      {.path = config_path.string()});
}

std::string convert(const fs::path& vocabulary_path, const fs::path& merges_path) {
  const fs::path directory = vocabulary_path.parent_path();
  const fs::path config_path = directory / "tokenizer_config.json";
  json vocabulary = read_vocabulary(vocabulary_path);
  json merges = read_merges(merges_path, vocabulary);
  const json config = weights::read_optional_json_object(config_path);
  ByteLevelStyle style = style_of(config_path, config);
  const AddedTokens added = collect_added_tokens(directory, config, vocabulary);

  const auto asked_token = [&](const char* flag, const char* name) -> std::optional<SequenceToken> {
    if (!config.value(flag, false)) return std::nullopt;
    return added.find(content_of(config.value(name, json("<|endoftext|>"))));
  };
  TokenizerParts parts;
  parts.normalizer = std::move(style.normalizer);
  parts.pre_tokenizer = std::move(style.pre_tokenizer);
  parts.post_processor = sequence_template(asked_token("add_bos_token", "bos_token"),
                                           asked_token("add_eos_token", "eos_token"));
  parts.decoder = byte_level_decoder();
  parts.added_tokens = added.all();
  parts.model = bpe_model(std::move(vocabulary), std::move(merges));
  return write_tokenizer_json(std::move(parts));
}

}  // namespace

std::string read_text_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file) {
    throw FileValidationError(fmt::format("{} cannot be read", path.string()),
                              {.path = path.string()});
  }
  return std::move(content).str();
}

std::optional<std::string> bpe_files_tokenizer_json(const fs::path& directory) {
  for (const auto& [vocabulary, merges] :
       {std::pair("vocab.json", "merges.txt"), std::pair("encoder.json", "vocab.bpe")}) {
    if (!fs::exists(directory / vocabulary) || !fs::exists(directory / merges)) continue;
    try {
      return convert(directory / vocabulary, directory / merges);
    } catch (const json::exception& error) {
      damaged(directory, fmt::format("the tokenizer's files do not fit: {}", error.what()));
    } catch (const std::logic_error& error) {  // std::stoll of an id
      damaged(directory / "tokenizer_config.json", "an added token's id is no number");
    }
  }
  return std::nullopt;
}

}  // namespace mm_orch::text
