// What a folder says of its tokenizer beside the vocabulary: tokenizer_config.json,
// special_tokens_map.json and added_tokens.json. Internal to src/text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer_json.h"

namespace mm_orch::text {

/// Tokens that are matched in the text before anything else, each once.
class AddedTokens {
 public:
  /// @param vocabulary  {token: id}; outlives this.
  explicit AddedTokens(const nlohmann::json& vocabulary);

  /// @param token  text or {"content": text, "lstrip": ...}; without text it is left out.
  /// @param id     none: the vocabulary's, else the next free one.
  void add(const nlohmann::json& token, bool special, std::optional<int64_t> id = std::nullopt);
  std::vector<AddedToken> all() const;
  /// None if there is no such token.
  std::optional<SequenceToken> find(const std::string& content) const;

 private:
  const nlohmann::json& vocabulary_;
  std::map<std::string, AddedToken> tokens_;
  int64_t next_id_ = 0;
};

class TokenizerSettings {
 public:
  /// @param default_tokens  {"eos_token": "</s>", ...}: of the class, where the files name none.
  /// @throws FileValidationError  a file is damaged.
  explicit TokenizerSettings(const std::filesystem::path& directory,
                             nlohmann::json default_tokens = nlohmann::json::object());

  const nlohmann::json& config() const { return config_; }
  /// Without "Fast"; empty if none is named.
  std::string class_name() const;
  /// @throws UnsupportedModelError  the class is named and not in `known`.
  void require_class(const std::string& files, const std::vector<std::string>& known) const;
  /// The text of "eos_token" and the like; empty if there is none.
  std::string token(const std::string& name) const;
  AddedTokens added_tokens(const nlohmann::json& vocabulary) const;

 private:
  std::filesystem::path directory_;
  nlohmann::json config_;
  nlohmann::json map_;
  nlohmann::json older_;  // added_tokens.json
  nlohmann::json default_tokens_;
};

[[noreturn]] void damaged_file(const std::filesystem::path& path, const std::string& what);

/// Runs a conversion of a folder's files; values of the wrong type become FileValidationError.
std::string convert_files(const std::filesystem::path& directory,
                          const std::function<std::string()>& conversion);

/// The whole file. @throws FileValidationError it cannot be read.
std::string read_text_file(const std::filesystem::path& path);

}  // namespace mm_orch::text
