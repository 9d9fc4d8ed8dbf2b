// Text to token ids and back. A thin face over the Hugging Face `tokenizers` crate
// (text/, Rust). Whatever the source (tokenizer.json, vocab.json + merges.txt,
// spiece.model, tokenizer.model, vocab.txt, the vocabulary of a GGUF), it becomes one
// tokenizer.json first. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mm_orch/export.h"
#include "weights/model_source.h"

namespace mm_orch::text {

/// The tokens of one text or of two, and to which text each belongs (BERT's token_type_ids).
struct Encoding {
  std::vector<int64_t> ids;       // [T]
  std::vector<int64_t> type_ids;  // [T]
};

class MM_ORCH_EXPORT Tokenizer {
 public:
  /// @throws FileValidationError    the files are damaged or contradict each other.
  /// @throws ModelNotFoundError     no tokenizer there.
  static std::shared_ptr<const Tokenizer> from_files(const weights::TokenizerFiles& files);
  /// @param json  the content of a tokenizer.json.
  static std::shared_ptr<const Tokenizer> from_json(std::string_view json);

  ~Tokenizer();

  /// Ids of `text`; BOS and EOS only where the post-processor adds them and `add_special_tokens` is
  /// on.
  /// @throws InvalidInputError  `text` is not valid UTF-8; the byte offset is named.
  std::vector<int64_t> encode(std::string_view text, bool add_special_tokens = true) const;

  /// Ids of `text`, and of `pair` after it, with the special tokens of the post-processor.
  /// @param max_length  at most so many ids, special tokens included: the longer text loses tokens
  ///                    at its end first (transformers' "longest_first"); none: all.
  /// @throws InvalidInputError  a text is not valid UTF-8; `max_length` has no room for the special
  ///                            tokens.
  Encoding encode_with_types(std::string_view text,
                             std::optional<std::string_view> pair = std::nullopt,
                             std::optional<int64_t> max_length = std::nullopt) const;

  /// Text of ids. Bytes that are no UTF-8 become U+FFFD.
  /// @throws InvalidInputError  an id the vocabulary lacks.
  std::string decode(std::span<const int64_t> ids, bool skip_special_tokens = true) const;

  /// Size of the vocabulary, added tokens included.
  int64_t vocabulary_size() const;
  std::optional<int64_t> token_to_id(std::string_view token) const;
  std::optional<std::string> id_to_token(int64_t id) const;
  /// True for tokens that `decode` leaves out when it skips special tokens.
  bool is_special(int64_t id) const;
  /// The byte that a token such as "<0xE2>" decodes to, where the tokenizer falls back to bytes.
  std::optional<uint8_t> fallback_byte(int64_t id) const;

  /// The tokenizer.json this tokenizer is equal to (for exports).
  std::string to_json() const;

 private:
  struct Handle;
  explicit Tokenizer(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace mm_orch::text
