#include "text/bpe_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "text/tokenizer_json.h"
#include "text/tokenizer_settings.h"
#include "text/utf8.h"
#include "weights/checked_json.h"

namespace mm_orch::text {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kEndOfText = "<|endoftext|>";

json read_vocabulary(const fs::path& path) {
  json vocabulary = weights::read_json_object(path);
  for (const auto& [token, id] : vocabulary.items()) {
    if (!id.is_number_unsigned())
      damaged_file(path, fmt::format("the id of \"{}\" is no number", token));
  }
  return vocabulary;
}

json read_merges(const fs::path& path, const json& vocabulary) {
  const std::string content = read_text_file(path);
  if (const auto offset = first_invalid_utf8(content)) {
    damaged_file(path, fmt::format("byte {} is not UTF-8", *offset));
  }
  std::istringstream lines(content);
  auto merges = json::array();
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    const size_t space = line.find(' ', 1);
    if (space == std::string::npos || space + 1 == line.size()) {
      damaged_file(path, fmt::format("line {} is \"{}\", not two tokens", number, line));
    }
    const std::string left = line.substr(0, space);
    const std::string right = line.substr(space + 1);
    for (const std::string& part : {left, right, left + right}) {
      if (!vocabulary.contains(part)) {
        damaged_file(path, fmt::format("line {} (\"{}\") names \"{}\", which the vocabulary lacks",
                                       number, line, part));
      }
    }
    merges.push_back({left, right});
  }
  return merges;
}

std::string convert(const fs::path& vocabulary_path, const fs::path& merges_path) {
  json vocabulary = read_vocabulary(vocabulary_path);
  json merges = read_merges(merges_path, vocabulary);
  const TokenizerSettings settings(vocabulary_path.parent_path());
  settings.require_class("vocab.json and merges.txt",
                         {"GPT2Tokenizer", "PreTrainedTokenizer", "Qwen2Tokenizer"});
  ByteLevelStyle style =
      *byte_level_style(settings.class_name() == "Qwen2Tokenizer" ? "qwen2" : "gpt-2");
  AddedTokens added = settings.added_tokens(vocabulary);
  if (added.all().empty() && vocabulary.contains(kEndOfText)) added.add(kEndOfText, true);

  const auto asked_token = [&](const char* flag, const char* name) -> std::optional<SequenceToken> {
    if (!settings.config().value(flag, false)) return std::nullopt;
    const std::string content = settings.token(name);
    return added.find(content.empty() ? kEndOfText : content);
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

std::optional<std::string> bpe_files_tokenizer_json(const fs::path& directory) {
  for (const auto& [vocabulary, merges] :
       {std::pair("vocab.json", "merges.txt"), std::pair("encoder.json", "vocab.bpe")}) {
    if (!fs::exists(directory / vocabulary) || !fs::exists(directory / merges)) continue;
    return convert_files(directory,
                         [&] { return convert(directory / vocabulary, directory / merges); });
  }
  return std::nullopt;
}

}  // namespace mm_orch::text
