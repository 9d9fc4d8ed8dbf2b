#include "text/tokenizer.h"

#include <fmt/format.h>

#include <limits>

#include "text/bpe_files.h"
#include "text/ffi.h"
#include "text/gguf_tokenizer.h"
#include "text/sentencepiece_files.h"
#include "text/tokenizer_settings.h"
#include "text/wordpiece_files.h"

namespace mm_orch::text {

namespace {

namespace fs = std::filesystem;

std::optional<uint32_t> as_u32(int64_t id) {
  if (id < 0 || id > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return static_cast<uint32_t>(id);
}

std::shared_ptr<const Tokenizer> from_json_of(const fs::path& path, const std::string& json) {
  try {
    return Tokenizer::from_json(json);
  } catch (const FileValidationError& error) {
    throw FileValidationError(
        fmt::format("{}: {}; copy or download it again", path.string(), error.what()),
        {.path = path.string()});
  }
}

std::shared_ptr<const Tokenizer> from_directory(const fs::path& directory) {
  const fs::path file = directory / "tokenizer.json";
  if (fs::exists(file)) return from_json_of(file, read_text_file(file));
  for (const auto convert :
       {bpe_files_tokenizer_json, sentencepiece_tokenizer_json, wordpiece_tokenizer_json}) {
    if (const auto json = convert(directory)) return from_json_of(directory, *json);
  }
  throw ModelNotFoundError(
      fmt::format("no tokenizer in {}: looked for tokenizer.json, vocab.json with merges.txt, "
                  "encoder.json with vocab.bpe, spiece.model, tokenizer.model and vocab.txt",
                  directory.string()),
      {.path = directory.string()});
}

}  // namespace

struct Tokenizer::Handle {
  explicit Handle(mm_tokenizer* tokenizer) : raw(tokenizer) {}
  ~Handle() { mm_tokenizer_free(raw); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  mm_tokenizer* raw;
};

Tokenizer::Tokenizer(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Tokenizer::~Tokenizer() = default;

std::shared_ptr<const Tokenizer> Tokenizer::from_files(const weights::TokenizerFiles& files) {
  return files.gguf ? from_json(gguf_tokenizer_json(*files.gguf)) : from_directory(files.directory);
}

std::shared_ptr<const Tokenizer> Tokenizer::from_json(std::string_view json) {
  mm_tokenizer* raw = nullptr;
  FfiString error;
  const auto status = mm_tokenizer_new(json.data(), json.size(), &raw, error.out());
  // The crate panics at some damaged files.
  throw_on_failure(status == MM_TEXT_INTERNAL ? MM_TEXT_INVALID_FILE : status, error);
  return std::shared_ptr<const Tokenizer>(new Tokenizer(std::make_unique<Handle>(raw)));
}

std::vector<int64_t> Tokenizer::encode(std::string_view text, bool add_special_tokens) const {
  mm_text_ids ids{};
  FfiString error;
  throw_on_failure(mm_tokenizer_encode(handle_->raw, text.data(), text.size(), add_special_tokens,
                                       &ids, error.out()),
                   error);
  const std::unique_ptr<mm_text_ids, void (*)(mm_text_ids*)> owner(&ids, mm_text_ids_free);
  return {ids.data, ids.data + ids.length};
}

Encoding Tokenizer::encode_with_types(std::string_view text, std::optional<std::string_view> pair,
                                      std::optional<int64_t> max_length) const {
  if (max_length && *max_length < 1) {
    throw InvalidInputError(fmt::format("max_length is {}; at least 1 is needed", *max_length));
  }
  mm_text_ids ids{};
  mm_text_ids type_ids{};
  FfiString error;
  throw_on_failure(mm_tokenizer_encode_pair(handle_->raw, text.data(), text.size(), pair ? 1 : 0,
                                            pair ? pair->data() : nullptr, pair ? pair->size() : 0,
                                            static_cast<size_t>(max_length.value_or(0)), &ids,
                                            &type_ids, error.out()),
                   error);
  const std::unique_ptr<mm_text_ids, void (*)(mm_text_ids*)> ids_owner(&ids, mm_text_ids_free);
  const std::unique_ptr<mm_text_ids, void (*)(mm_text_ids*)> types_owner(&type_ids,
                                                                         mm_text_ids_free);
  return {.ids = {ids.data, ids.data + ids.length},
          .type_ids = {type_ids.data, type_ids.data + type_ids.length}};
}

std::string Tokenizer::decode(std::span<const int64_t> ids, bool skip_special_tokens) const {
  std::vector<uint32_t> narrow;
  narrow.reserve(ids.size());
  for (const int64_t id : ids) {
    const auto small = as_u32(id);
    if (!small) {
      throw InvalidInputError(
          fmt::format("token id {} is not in the vocabulary of {} tokens", id, vocabulary_size()));
    }
    narrow.push_back(*small);
  }
  FfiString result;
  FfiString error;
  throw_on_failure(mm_tokenizer_decode(handle_->raw, narrow.data(), narrow.size(),
                                       skip_special_tokens, result.out(), error.out()),
                   error);
  return result.str();
}

int64_t Tokenizer::vocabulary_size() const {
  return static_cast<int64_t>(mm_tokenizer_vocabulary_size(handle_->raw));
}

std::optional<int64_t> Tokenizer::token_to_id(std::string_view token) const {
  uint32_t id = 0;
  if (!mm_tokenizer_token_to_id(handle_->raw, token.data(), token.size(), &id)) return std::nullopt;
  return id;
}

std::optional<std::string> Tokenizer::id_to_token(int64_t id) const {
  const auto small = as_u32(id);
  FfiString token;
  if (!small || !mm_tokenizer_id_to_token(handle_->raw, *small, token.out())) return std::nullopt;
  return token.str();
}

bool Tokenizer::is_special(int64_t id) const {
  const auto small = as_u32(id);
  return small && mm_tokenizer_is_special(handle_->raw, *small);
}

std::optional<uint8_t> Tokenizer::fallback_byte(int64_t id) const {
  const auto small = as_u32(id);
  const int byte = small ? mm_tokenizer_fallback_byte(handle_->raw, *small) : -1;
  return byte < 0 ? std::nullopt : std::optional(static_cast<uint8_t>(byte));
}

std::string Tokenizer::to_json() const {
  FfiString result;
  FfiString error;
  throw_on_failure(mm_tokenizer_to_json(handle_->raw, result.out(), error.out()), error);
  return result.str();
}

}  // namespace mm_orch::text
