// Protobuf's wire format: a message is a row of fields, each a number (its low three bits
// say how the value is laid out) and a value. Fields that are not asked for are skipped.
// Field numbers: sentencepiece_model.proto of google/sentencepiece.
#include "text/sentencepiece_model.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <unordered_set>

#include "mm_orch/errors.h"
#include "text/tokenizer_settings.h"
#include "text/utf8.h"

namespace mm_orch::text {

namespace {

namespace fs = std::filesystem;

enum Layout : uint64_t { kVarint = 0, kEightBytes = 1, kLength = 2, kFourBytes = 5 };

class Message {
 public:
  struct Field {
    uint64_t number = 0;
    uint64_t layout = 0;
    uint64_t value = 0;      // kVarint, kFourBytes, kEightBytes
    std::string_view bytes;  // kLength
  };

  Message(std::string_view bytes, const fs::path& path) : rest_(bytes), path_(path) {}

  std::optional<Field> next() {
    if (rest_.empty()) return std::nullopt;
    const uint64_t key = varint();
    Field field{.number = key >> 3, .layout = key & 7};
    switch (field.layout) {
      case kVarint:
        field.value = varint();
        break;
      case kEightBytes:
        std::memcpy(&field.value, take(8).data(), 8);
        break;
      case kLength:
        field.bytes = take(varint());
        break;
      case kFourBytes:
        std::memcpy(&field.value, take(4).data(), 4);
        break;
      default:
        fail(fmt::format("a field has the unknown layout {}", field.layout));
    }
    return field;
  }

  [[noreturn]] void fail(const std::string& what) const {
    damaged_file(path_, "as a SentencePiece model, " + what);
  }

  void require(const Field& field, Layout layout) const {
    if (field.layout != layout) fail(fmt::format("field {} has another type", field.number));
  }

 private:
  static_assert(std::endian::native == std::endian::little);

  uint64_t varint() {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<uint8_t>(take(1)[0]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number has no end");
  }

  std::string_view take(uint64_t count) {
    if (count > rest_.size()) fail("it ends in the middle of a field");
    const auto taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  const fs::path& path_;
};

SentencePieceModel::Piece read_piece(Message message) {
  SentencePieceModel::Piece piece;
  while (const auto field = message.next()) {
    if (field->number == 1) {
      message.require(*field, kLength);
      piece.text = field->bytes;
    } else if (field->number == 2) {
      message.require(*field, kFourBytes);
      piece.score = std::bit_cast<float>(static_cast<uint32_t>(field->value));
    } else if (field->number == 3) {
      message.require(*field, kVarint);
      piece.type = static_cast<PieceType>(field->value);
    }
  }
  if (first_invalid_utf8(piece.text)) message.fail("a piece is not UTF-8");
  if (!std::isfinite(piece.score)) message.fail("the score of a piece is no number");
  return piece;
}

void read_trainer(Message message, SentencePieceModel& model) {
  while (const auto field = message.next()) {
    if (field->number != 3 && field->number != 35 && field->number != 40) continue;
    message.require(*field, kVarint);
    if (field->number == 3) model.algorithm = static_cast<SentencePieceAlgorithm>(field->value);
    if (field->number == 35) model.byte_fallback = field->value != 0;
    if (field->number == 40) model.unknown_id = static_cast<int64_t>(field->value);
  }
}

void read_normalizer(Message message, SentencePieceModel& model) {
  while (const auto field = message.next()) {
    if (field->number != 2) continue;
    message.require(*field, kLength);
    model.charsmap = field->bytes;
  }
}

void check(const SentencePieceModel& model, const Message& message, const fs::path& path) {
  if (model.algorithm != SentencePieceAlgorithm::kUnigram &&
      model.algorithm != SentencePieceAlgorithm::kBpe) {
    throw UnsupportedModelError(
        fmt::format("{} is a SentencePiece model of the algorithm {}; those known are 1 (Unigram) "
                    "and 2 (BPE); add the model's tokenizer.json",
                    path.string(), static_cast<int64_t>(model.algorithm)),
        {.path = path.string()});
  }
  if (model.pieces.empty()) message.fail("it has no pieces");
  std::unordered_set<std::string_view> texts;
  for (const auto& piece : model.pieces) {
    if (!texts.insert(piece.text).second)
      message.fail(fmt::format("it has the piece \"{}\" twice", piece.text));
  }
  if (model.unknown_id < 0 || model.unknown_id >= static_cast<int64_t>(model.pieces.size())) {
    message.fail(fmt::format("the unknown token is {}, but there are {} pieces", model.unknown_id,
                             model.pieces.size()));
  }
  // The size of its trie, the trie, replacements. The crate would allocate whatever is said.
  uint32_t trie_bytes = 0;
  if (model.charsmap.empty()) return;
  if (model.charsmap.size() >= sizeof trie_bytes)
    std::memcpy(&trie_bytes, model.charsmap.data(), sizeof trie_bytes);
  if (trie_bytes == 0 || trie_bytes % sizeof(uint32_t) != 0 ||
      trie_bytes > model.charsmap.size() - sizeof trie_bytes) {
    message.fail("the table of its normalizer is cut short");
  }
}

}  // namespace

SentencePieceModel read_sentencepiece_model(std::string_view bytes, const fs::path& path) {
  SentencePieceModel model;
  Message message(bytes, path);
  while (const auto field = message.next()) {
    if (field->number < 1 || field->number > 3) continue;
    message.require(*field, kLength);
    Message part(field->bytes, path);
    if (field->number == 1) model.pieces.push_back(read_piece(part));
    if (field->number == 2) read_trainer(part, model);
    if (field->number == 3) read_normalizer(part, model);
  }
  check(model, message, path);
  return model;
}

}  // namespace mm_orch::text
