#include "text/utf8.h"

#include <cstdint>

namespace mm_orch::text {

namespace {

struct Lead {
  size_t length;
  uint8_t second_min;  // the second byte's range; the others' is [0x80, 0xBF]
  uint8_t second_max;
};

// The Unicode Standard 15, table 3-7.
Lead lead_of(uint8_t byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Utf8Start utf8_start(std::string_view bytes, size_t* length) {
  const Lead lead = lead_of(static_cast<uint8_t>(bytes[0]));
  if (lead.length == 0) return Utf8Start::kInvalid;
  for (size_t i = 1; i < lead.length; ++i) {
    if (i == bytes.size()) return Utf8Start::kIncomplete;
    const auto byte = static_cast<uint8_t>(bytes[i]);
    const uint8_t low = i == 1 ? lead.second_min : 0x80;
    const uint8_t high = i == 1 ? lead.second_max : 0xBF;
    if (byte < low || byte > high) return Utf8Start::kInvalid;
  }
  *length = lead.length;
  return Utf8Start::kCharacter;
}

std::optional<size_t> first_invalid_utf8(std::string_view bytes) {
  for (size_t offset = 0; offset < bytes.size();) {
    size_t length = 0;
    if (utf8_start(bytes.substr(offset), &length) != Utf8Start::kCharacter) return offset;
    offset += length;
  }
  return std::nullopt;
}

}  // namespace mm_orch::text
