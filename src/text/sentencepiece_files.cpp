#include "text/sentencepiece_files.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "mm_orch/errors.h"
#include "text/sentencepiece_model.h"
#include "text/spm_merges.h"
#include "text/tokenizer_json.h"
#include "text/tokenizer_settings.h"

namespace mm_orch::text {

namespace {

using nlohmann::json;
namespace fs = std::filesystem;
using Algorithm = SentencePieceAlgorithm;

constexpr const char* kSpace = "▁";
constexpr int64_t kMaxExtraIds = 10'000;

json vocabulary_of(const SentencePieceModel& model) {
  json vocabulary = json::object();
  for (size_t id = 0; id < model.pieces.size(); ++id) vocabulary[model.pieces[id].text] = id;
  return vocabulary;
}

// All are matched before the text is cut; control tokens are special.
void add_reserved_pieces(const SentencePieceModel& model, AddedTokens& added) {
  for (const auto& piece : model.pieces) {
    if (piece.type == PieceType::kControl || piece.type == PieceType::kUserDefined)
      added.add(piece.text, piece.type == PieceType::kControl);
  }
}

json metaspace(const char* prepend_scheme, bool split) {
  return {{"type", "Metaspace"},
          {"replacement", kSpace},
          {"prepend_scheme", prepend_scheme},
          {"split", split}};
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t at) -> uint32_t {
      return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : 0;
    };
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (const int shift : {18, 12, 6, 0}) text += kDigits[group >> shift & 63];
  }
  const size_t padding = (3 - bytes.size() % 3) % 3;
  text.replace(text.size() - padding, padding, padding, '=');
  return text;
}

// Source: transformers, T5Tokenizer. The sentinels follow the pieces, the last one first.
std::string t5_tokenizer(const SentencePieceModel& model, const fs::path& directory) {
  const TokenizerSettings settings(
      directory, {{"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", "<pad>"}});
  const auto extra_ids = settings.config().value("extra_ids", int64_t{100});
  if (extra_ids < 0 || extra_ids > kMaxExtraIds) {
    damaged_file(directory / "tokenizer_config.json",
                 fmt::format("extra_ids is {}, not in 0 to {}", extra_ids, kMaxExtraIds));
  }
  json pieces = json::array();
  for (const auto& piece : model.pieces) pieces.push_back({piece.text, piece.score});
  json vocabulary = vocabulary_of(model);
  std::vector<std::string> sentinels;
  for (int64_t i = extra_ids - 1; i >= 0; --i) {
    const std::string sentinel = fmt::format("<extra_id_{}>", i);
    if (vocabulary.contains(sentinel)) continue;
    vocabulary[sentinel] = pieces.size();
    pieces.push_back({sentinel, 0.0});
    sentinels.push_back(sentinel);
  }
  AddedTokens added = settings.added_tokens(vocabulary);
  add_reserved_pieces(model, added);
  for (const std::string& sentinel : sentinels) added.add(sentinel, true);

  TokenizerParts parts;
  if (!model.charsmap.empty()) {
    parts.normalizer = {{"type", "Precompiled"}, {"precompiled_charsmap", base64(model.charsmap)}};
  }
  parts.pre_tokenizer = {
      {"type", "Sequence"},
      {"pretokenizers", json::array({{{"type", "WhitespaceSplit"}}, metaspace("always", true)})}};
  parts.decoder = metaspace("always", true);
  if (const auto eos = added.find(settings.token("eos_token"))) {
    const TemplatePart text;
    const TemplatePart end{.token = eos};
    parts.post_processor = template_processing({text, end}, {text, end, text, end});
  }
  parts.added_tokens = added.all();
  parts.model = {{"type", "Unigram"},
                 {"unk_id", model.unknown_id},
                 {"vocab", std::move(pieces)},
                 {"byte_fallback", false}};
  return write_tokenizer_json(std::move(parts));
}

json merges_of(const SentencePieceModel& model) {
  std::vector<Piece> pieces;
  for (const auto& piece : model.pieces) {
    const bool merges = piece.type != PieceType::kUnknown && piece.type != PieceType::kControl &&
                        piece.type != PieceType::kByte;
    pieces.push_back({piece.text, piece.score, merges});
  }
  return spm_merges(pieces);
}

// Source: transformers, LlamaTokenizer.
std::string llama_tokenizer(const SentencePieceModel& model, const fs::path& directory) {
  const TokenizerSettings settings(
      directory, {{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}});
  const json& config = settings.config();
  json vocabulary = vocabulary_of(model);
  AddedTokens added = settings.added_tokens(vocabulary);
  add_reserved_pieces(model, added);
  const auto asked_token = [&](const char* flag, bool otherwise, const char* name) {
    return config.value(flag, otherwise) ? added.find(settings.token(name)) : std::nullopt;
  };
  const json prefix = config.value("add_prefix_space", json());
  const bool add_space = !prefix.is_boolean() || prefix.get<bool>();
  const char* scheme = !add_space ? "never" : config.value("legacy", false) ? "always" : "first";

  TokenizerParts parts;
  parts.pre_tokenizer = metaspace(scheme, false);
  json decoders =
      json::array({{{"type", "Replace"}, {"pattern", {{"String", kSpace}}}, {"content", " "}},
                   {{"type", "ByteFallback"}},
                   {{"type", "Fuse"}}});
  if (add_space) {
    decoders.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  }
  parts.decoder = {{"type", "Sequence"}, {"decoders", decoders}};
  parts.post_processor = sequence_template(asked_token("add_bos_token", true, "bos_token"),
                                           asked_token("add_eos_token", false, "eos_token"));
  parts.added_tokens = added.all();
  parts.model = bpe_model(std::move(vocabulary), merges_of(model));
  parts.model["unk_token"] = model.pieces[static_cast<size_t>(model.unknown_id)].text;
  parts.model["fuse_unk"] = true;
  parts.model["byte_fallback"] = model.byte_fallback;
  return write_tokenizer_json(std::move(parts));
}

std::string convert(const fs::path& path) {
  const fs::path directory = path.parent_path();
  const auto file = MappedFile::open(path);
  const auto model = read_sentencepiece_model(
      {reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size()}, path);
  const TokenizerSettings settings(directory);
  if (model.algorithm == Algorithm::kUnigram) {
    settings.require_class(path.filename().string() + " of the Unigram kind",
                           {"T5Tokenizer", "MT5Tokenizer"});
    return t5_tokenizer(model, directory);
  }
  settings.require_class(path.filename().string() + " of the BPE kind", {"LlamaTokenizer"});
  return llama_tokenizer(model, directory);
}

}  // namespace

std::optional<std::string> sentencepiece_tokenizer_json(const fs::path& directory) {
  for (const char* name : {"spiece.model", "tokenizer.model"}) {
    const fs::path path = directory / name;
    if (fs::exists(path)) return convert_files(directory, [&] { return convert(path); });
  }
  return std::nullopt;
}

}  // namespace mm_orch::text
