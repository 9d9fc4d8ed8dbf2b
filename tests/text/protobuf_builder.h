// Writes protobuf messages by field number.
#pragma once

#include <cstring>
#include <string>

namespace mm_orch::testing {

class ProtobufBuilder {
 public:
  ProtobufBuilder& number(uint64_t field, uint64_t value) {
    varint(field << 3);
    varint(value);
    return *this;
  }
  ProtobufBuilder& real(uint64_t field, float value) {
    varint(field << 3 | 5);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    bytes_.append(raw, sizeof value);
    return *this;
  }
  ProtobufBuilder& text(uint64_t field, const std::string& value) {
    varint(field << 3 | 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufBuilder& message(uint64_t field, const ProtobufBuilder& value) {
    return text(field, value.bytes());
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

/// A SentencePiece: text, score, type.
inline ProtobufBuilder piece(const std::string& text, float score, uint64_t type) {
  return ProtobufBuilder().text(1, text).real(2, score).number(3, type);
}

}  // namespace mm_orch::testing
