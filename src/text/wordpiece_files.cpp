#include "text/wordpiece_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "text/tokenizer_json.h"
#include "text/tokenizer_settings.h"
#include "text/utf8.h"

namespace mm_orch::text {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// A token a line, its id the line's number; of a token that comes twice, the last id holds.
json read_vocabulary(const fs::path& path) {
  const std::string content = read_text_file(path);
  if (const auto offset = first_invalid_utf8(content)) {
    damaged_file(path, fmt::format("byte {} is not UTF-8", *offset));
  }
  json vocabulary = json::object();
  std::istringstream lines(content);
  std::string line;
  for (int64_t id = 0; std::getline(lines, line); ++id) {
    line.erase(line.find_last_not_of(" \t\n\v\f\r") + 1);
    vocabulary[line] = id;
  }
  return vocabulary;
}

// Source: transformers, BertTokenizer.
std::string convert(const fs::path& path) {
  const TokenizerSettings settings(path.parent_path(), {{"unk_token", "[UNK]"},
                                                        {"sep_token", "[SEP]"},
                                                        {"pad_token", "[PAD]"},
                                                        {"cls_token", "[CLS]"},
                                                        {"mask_token", "[MASK]"}});
  settings.require_class("vocab.txt", {"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"});
  json vocabulary = read_vocabulary(path);
  for (const char* name : {"unk_token", "cls_token", "sep_token"}) {
    const std::string token = settings.token(name);
    if (!vocabulary.contains(token))
      damaged_file(path, fmt::format("it lacks the {} \"{}\"", name, token));
  }
  const AddedTokens added = settings.added_tokens(vocabulary);
  const json& config = settings.config();

  TokenizerParts parts;
  parts.normalizer = {{"type", "BertNormalizer"},
                      {"clean_text", true},
                      {"handle_chinese_chars", config.value("tokenize_chinese_chars", true)},
                      {"strip_accents", config.value("strip_accents", json())},
                      {"lowercase", config.value("do_lower_case", true)}};
  parts.pre_tokenizer = {{"type", "BertPreTokenizer"}};
  const TemplatePart first;
  const TemplatePart second{.token = std::nullopt, .type_id = 1};
  const TemplatePart start{.token = added.find(settings.token("cls_token"))};
  const TemplatePart end{.token = added.find(settings.token("sep_token"))};
  const TemplatePart second_end{.token = end.token, .type_id = 1};
  parts.post_processor =
      template_processing({start, first, end}, {start, first, end, second, second_end});
  parts.decoder = {{"type", "WordPiece"}, {"prefix", "##"}, {"cleanup", true}};
  parts.added_tokens = added.all();
  parts.model = {{"type", "WordPiece"},
                 {"unk_token", settings.token("unk_token")},
                 {"continuing_subword_prefix", "##"},
                 {"max_input_chars_per_word", 100},
                 {"vocab", std::move(vocabulary)}};
  return write_tokenizer_json(std::move(parts));
}

}  // namespace

std::optional<std::string> wordpiece_tokenizer_json(const fs::path& directory) {
  const fs::path path = directory / "vocab.txt";
  if (!fs::exists(path)) return std::nullopt;
  return convert_files(directory, [&] { return convert(path); });
}

}  // namespace mm_orch::text
