// Bytes of small GGUF and safetensors files, right or wrong as a test wants them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mm_orch::testing {

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

/// What a GGUF file says of one tensor; lengths innermost first, as on disk.
struct GgufTensor {
  std::string name;
  std::vector<uint64_t> lengths;
  uint32_t type = 0;  // F32
  uint64_t offset = 0;
};

class GgufBuilder {
 public:
  static std::string text(std::string_view value) {
    return raw<uint64_t>(value.size()) + std::string(value);
  }

  GgufBuilder& key_value(std::string_view key, uint32_t type, const std::string& value) {
    values_ += text(key) + raw(type) + value;
    ++key_count;
    return *this;
  }
  GgufBuilder& number(std::string_view key, uint32_t value) {
    return key_value(key, 4, raw(value));
  }
  GgufBuilder& real(std::string_view key, float value) { return key_value(key, 6, raw(value)); }
  GgufBuilder& string(std::string_view key, std::string_view value) {
    return key_value(key, 8, text(value));
  }
  GgufBuilder& strings(std::string_view key, const std::vector<std::string>& values) {
    std::string bytes = raw<uint32_t>(8) + raw<uint64_t>(values.size());
    for (const auto& value : values) bytes += text(value);
    return key_value(key, 9, bytes);
  }
  GgufBuilder& tensor(const GgufTensor& tensor) {
    infos_ += text(tensor.name) + raw(static_cast<uint32_t>(tensor.lengths.size()));
    for (const uint64_t length : tensor.lengths) infos_ += raw(length);
    infos_ += raw(tensor.type) + raw(tensor.offset);
    ++tensor_count;
    return *this;
  }
  /// An F32 tensor after the others, with the values 0, 1, 2, ...
  GgufBuilder& floats(const std::string& name, const std::vector<uint64_t>& lengths) {
    uint64_t count = 1;
    for (const uint64_t length : lengths) count *= length;
    tensor({name, lengths, 0, data.size()});
    for (uint64_t i = 0; i < count; ++i) data += raw(static_cast<float>(i));
    data.resize((data.size() + alignment - 1) / alignment * alignment);
    return *this;
  }

  std::string bytes() const {
    std::string file = magic + raw(version) + raw(tensor_count) + raw(key_count) + values_ + infos_;
    file.resize((file.size() + alignment - 1) / alignment * alignment);
    return file + data;
  }

  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t tensor_count = 0;
  uint64_t key_count = 0;
  uint64_t alignment = 32;
  std::string data;

 private:
  std::string values_;
  std::string infos_;
};

inline std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return raw<uint64_t>(header.size()) + std::string(header) + std::string(data);
}

inline std::span<const std::byte> as_bytes(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace mm_orch::testing
