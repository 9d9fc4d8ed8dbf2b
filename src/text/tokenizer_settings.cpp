#include "text/tokenizer_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include "mm_orch/errors.h"
#include "weights/checked_json.h"

namespace mm_orch::text {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr std::array kNames = {"bos_token", "eos_token", "unk_token", "pad_token",
                               "sep_token", "cls_token", "mask_token"};

std::string content_of(const json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string()) {
    return token["content"].get<std::string>();
  }
  return "";
}

}  // namespace

AddedTokens::AddedTokens(const json& vocabulary) : vocabulary_(vocabulary) {
  for (const auto& [token, id] : vocabulary.items()) {
    next_id_ = std::max(next_id_, id.get<int64_t>() + 1);
  }
}

void AddedTokens::add(const json& token, bool special, std::optional<int64_t> id) {
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

std::vector<AddedToken> AddedTokens::all() const {
  std::vector<AddedToken> result;
  for (const auto& [content, token] : tokens_) result.push_back(token);
  return result;
}

std::optional<SequenceToken> AddedTokens::find(const std::string& content) const {
  const auto found = tokens_.find(content);
  if (found == tokens_.end()) return std::nullopt;
  return SequenceToken{found->second.id, content};
}

TokenizerSettings::TokenizerSettings(const fs::path& directory, json default_tokens)
    : directory_(directory),
      config_(weights::read_optional_json_object(directory / "tokenizer_config.json")),
      map_(weights::read_optional_json_object(directory / "special_tokens_map.json")),
      older_(weights::read_optional_json_object(directory / "added_tokens.json")),
      default_tokens_(std::move(default_tokens)) {}

std::string TokenizerSettings::class_name() const {
  std::string name = config_.value("tokenizer_class", "");
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

void TokenizerSettings::require_class(const std::string& files,
                                      const std::vector<std::string>& known) const {
  const std::string name = class_name();
  if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
  const std::string path = (directory_ / "tokenizer_config.json").string();
  throw UnsupportedModelError(
      fmt::format("{} names the tokenizer class \"{}\"; {} alone {} read for {}; add the model's "
                  "tokenizer.json",
                  path, name, files, files.find(" and ") == std::string::npos ? "is" : "are",
                  fmt::join(known, ", ")),
      {.path = path});
}

std::string TokenizerSettings::token(const std::string& name) const {
  for (const json* names : {&config_, &map_, &default_tokens_}) {
    if (names->contains(name)) return content_of(names->at(name));
  }
  return "";
}

AddedTokens TokenizerSettings::added_tokens(const json& vocabulary) const {
  AddedTokens added(vocabulary);
  const json decoder = config_.value("added_tokens_decoder", json::object());
  if (!decoder.is_object()) {
    damaged_file(directory_ / "tokenizer_config.json", "added_tokens_decoder is no object");
  }
  for (const auto& [id, token] : decoder.items()) added.add(token, false, std::stoll(id));
  for (const json* names : {&map_, &config_}) {
    for (const char* name : kNames) {
      if (!names->contains(name)) continue;
      const std::string content = content_of(names->at(name));
      const bool has_id = older_.contains(content) && older_[content].is_number_integer();
      added.add(names->at(name), true,
                has_id ? std::optional(older_[content].get<int64_t>()) : std::nullopt);
    }
    for (const json& token : names->value("additional_special_tokens", json::array())) {
      added.add(token, true);
    }
  }
  for (const auto& [name, token] : default_tokens_.items()) {
    if (!map_.contains(name) && !config_.contains(name)) added.add(token, true);
  }
  for (const auto& [content, id] : older_.items()) added.add(content, false, id.get<int64_t>());
  return added;
}

void damaged_file(const fs::path& path, const std::string& what) {
  throw FileValidationError(
      fmt::format("{} is damaged: {}; copy or download it again", path.string(), what),
      {.path = path.string()});
}

std::string convert_files(const fs::path& directory,
                          const std::function<std::string()>& conversion) {
  try {
    return conversion();
  } catch (const json::exception& error) {
    damaged_file(directory, fmt::format("the tokenizer's files do not fit: {}", error.what()));
  } catch (const std::logic_error&) {  // std::stoll of an id
    damaged_file(directory / "tokenizer_config.json", "an added token's id is no number");
  }
}

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

}  // namespace mm_orch::text
