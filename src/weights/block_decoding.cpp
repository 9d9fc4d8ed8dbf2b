#include "weights/block_decoding.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/half.h"

namespace mm_orch::weights {
namespace {

// Files give no alignment that a type could rely on.
template <class T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

inline float load_half(const std::byte* p) { return half_to_float(load<uint16_t>(p)); }

const uint8_t* as_u8(const std::byte* p) { return reinterpret_cast<const uint8_t*>(p); }

void decode_f16(const std::byte* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = load_half(in + 2 * i);
}

void decode_bf16(const std::byte* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i)
    out[i] = std::bit_cast<float>(static_cast<uint32_t>(load<uint16_t>(in + 2 * i)) << 16);
}

template <class T>
void decode_plain(const std::byte* in, int64_t count, float* out) {
  constexpr auto kSize = static_cast<int64_t>(sizeof(T));
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(load<T>(in + kSize * i));
}

void decode_bool(const std::byte* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = in[i] == std::byte{0} ? 0.0f : 1.0f;
}

// Blocks of 32: half scale [, half minimum] [, 32 fifth bits], 16 bytes of which the low
// nibbles are elements 0..15 and the high ones 16..31.

void decode_q8_0(const std::byte* block, float* out) {
  const float scale = load_half(block);
  const auto* q = reinterpret_cast<const int8_t*>(block + 2);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(q[i]) * scale;
}

void decode_q4_0(const std::byte* block, float* out) {
  const float scale = load_half(block);
  const uint8_t* q = as_u8(block + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((q[i] & 15) - 8) * scale;
    out[i + 16] = static_cast<float>((q[i] >> 4) - 8) * scale;
  }
}

void decode_q4_1(const std::byte* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const uint8_t* q = as_u8(block + 4);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(q[i] & 15) * scale + minimum;
    out[i + 16] = static_cast<float>(q[i] >> 4) * scale + minimum;
  }
}

void unpack_5_bits(uint32_t fifth_bits, const uint8_t* q, std::array<int, 32>& values) {
  for (int i = 0; i < 16; ++i) {
    values[static_cast<size_t>(i)] = (q[i] & 15) | static_cast<int>((fifth_bits >> i & 1) << 4);
    values[static_cast<size_t>(i + 16)] =
        (q[i] >> 4) | static_cast<int>((fifth_bits >> (i + 16) & 1) << 4);
  }
}

void decode_q5_0(const std::byte* block, float* out) {
  const float scale = load_half(block);
  std::array<int, 32> q;
  unpack_5_bits(load<uint32_t>(block + 2), as_u8(block + 6), q);
  for (size_t i = 0; i < 32; ++i) out[i] = static_cast<float>(q[i] - 16) * scale;
}

void decode_q5_1(const std::byte* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  std::array<int, 32> q;
  unpack_5_bits(load<uint32_t>(block + 4), as_u8(block + 8), q);
  for (size_t i = 0; i < 32; ++i) out[i] = static_cast<float>(q[i]) * scale + minimum;
}

// Super-blocks of 256.

struct ScaleAndMinimum {
  int scale;
  int minimum;
};

// Eight pairs of 6-bit numbers in 12 bytes: bytes 0..3 and 4..7 hold the first four pairs in
// their low 6 bits and the high 2 bits of the last four, whose low 4 bits are bytes 8..11.
ScaleAndMinimum k_scale(const uint8_t* packed, int group) {
  if (group < 4) return {packed[group] & 63, packed[group + 4] & 63};
  return {(packed[group + 4] & 15) | (packed[group - 4] >> 6 << 4),
          (packed[group + 4] >> 4) | (packed[group] >> 6 << 4)};
}

void decode_q4_k(const std::byte* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const uint8_t* packed = as_u8(block + 4);
  for (int group = 0; group < 8; group += 2) {
    const uint8_t* q = as_u8(block + 16) + group * 16;
    const auto low = k_scale(packed, group);
    const auto high = k_scale(packed, group + 1);
    const float low_scale = scale * static_cast<float>(low.scale);
    const float low_minimum = minimum * static_cast<float>(low.minimum);
    const float high_scale = scale * static_cast<float>(high.scale);
    const float high_minimum = minimum * static_cast<float>(high.minimum);
    float* values = out + group * 32;
    for (int i = 0; i < 32; ++i) {
      values[i] = low_scale * static_cast<float>(q[i] & 15) - low_minimum;
      values[i + 32] = high_scale * static_cast<float>(q[i] >> 4) - high_minimum;
    }
  }
}

void decode_q5_k(const std::byte* block, float* out) {
  const float scale = load_half(block);
  const float minimum = load_half(block + 2);
  const uint8_t* packed = as_u8(block + 4);
  const uint8_t* fifth_bits = as_u8(block + 16);
  for (int group = 0; group < 8; ++group) {
    const uint8_t* q = as_u8(block + 48) + group / 2 * 32;
    const int shift = group % 2 * 4;
    const auto pair = k_scale(packed, group);
    const float group_scale = scale * static_cast<float>(pair.scale);
    const float group_minimum = minimum * static_cast<float>(pair.minimum);
    float* values = out + group * 32;
    for (int i = 0; i < 32; ++i) {
      const int value = (q[i] >> shift & 15) | (fifth_bits[i] >> group & 1) << 4;
      values[i] = group_scale * static_cast<float>(value) - group_minimum;
    }
  }
}

void decode_q6_k(const std::byte* block, float* out) {
  const auto* scales = reinterpret_cast<const int8_t*>(block + 192);
  const float scale = load_half(block + 208);
  for (int group = 0; group < 8; ++group) {
    const int half = group / 4;
    const int quarter = group % 4;
    const uint8_t* low = as_u8(block) + half * 64 + quarter % 2 * 32;
    const uint8_t* high = as_u8(block + 128) + half * 32;
    const int low_shift = quarter / 2 * 4;
    const int high_shift = quarter * 2;
    for (int part = 0; part < 2; ++part) {
      const float part_scale = scale * static_cast<float>(scales[group * 2 + part]);
      float* values = out + group * 32;
      for (int i = part * 16; i < part * 16 + 16; ++i) {
        const int value = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
        values[i] = part_scale * static_cast<float>(value - 32);
      }
    }
  }
}

template <void (*kDecode)(const std::byte*, float*), int kElements, int kBytes>
void decode_blocks(const std::byte* in, int64_t count, float* out) {
  for (int64_t i = 0; i < count / kElements; ++i) kDecode(in + i * kBytes, out + i * kElements);
}

// `count` is a multiple of the type's block.
void decode_whole_blocks(DType dtype, const std::byte* in, int64_t count, float* out) {
  switch (dtype) {
    case DType::kF32:
      std::memcpy(out, in, static_cast<size_t>(count) * sizeof(float));
      return;
    case DType::kF16:
      return decode_f16(in, count, out);
    case DType::kBF16:
      return decode_bf16(in, count, out);
    case DType::kF64:
      return decode_plain<double>(in, count, out);
    case DType::kI64:
      return decode_plain<int64_t>(in, count, out);
    case DType::kI32:
      return decode_plain<int32_t>(in, count, out);
    case DType::kI16:
      return decode_plain<int16_t>(in, count, out);
    case DType::kI8:
      return decode_plain<int8_t>(in, count, out);
    case DType::kU8:
      return decode_plain<uint8_t>(in, count, out);
    case DType::kBool:
      return decode_bool(in, count, out);
    case DType::kQ8_0:
      return decode_blocks<decode_q8_0, 32, 34>(in, count, out);
    case DType::kQ4_0:
      return decode_blocks<decode_q4_0, 32, 18>(in, count, out);
    case DType::kQ4_1:
      return decode_blocks<decode_q4_1, 32, 20>(in, count, out);
    case DType::kQ5_0:
      return decode_blocks<decode_q5_0, 32, 22>(in, count, out);
    case DType::kQ5_1:
      return decode_blocks<decode_q5_1, 32, 24>(in, count, out);
    case DType::kQ4_K:
      return decode_blocks<decode_q4_k, 256, 144>(in, count, out);
    case DType::kQ5_K:
      return decode_blocks<decode_q5_k, 256, 176>(in, count, out);
    case DType::kQ6_K:
      return decode_blocks<decode_q6_k, 256, 210>(in, count, out);
  }
}

}  // namespace

void decode_grids(DType dtype, const std::byte* data, int64_t first, int64_t count, Grid* out) {
  const auto& info = dtype_info(dtype);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t element = (first + i) * kGridElements;
    const std::byte* block = data + element / info.block_elements * info.block_bytes;
    const float scale = load_half(block);
    switch (dtype) {
      case DType::kQ4_0:
        out[i] = {scale, -8 * scale};
        break;
      case DType::kQ4_1:
        out[i] = {scale, load_half(block + 2)};
        break;
      case DType::kQ4_K: {
        const auto group = static_cast<int>(element % info.block_elements / kGridElements);
        const auto pair = k_scale(as_u8(block + 4), group);
        out[i] = {scale * static_cast<float>(pair.scale),
                  -load_half(block + 2) * static_cast<float>(pair.minimum)};
        break;
      }
      default:
        out[i] = {scale, 0};
    }
  }
}

void decode_elements(DType dtype, const std::byte* data, int64_t first, int64_t count, float* out) {
  const auto& info = dtype_info(dtype);
  const int64_t block = info.block_elements;
  std::array<float, 256> scratch;
  while (count > 0) {
    const std::byte* in = data + first / block * info.block_bytes;
    const int64_t skip = first % block;
    int64_t taken;
    if (skip == 0 && count >= block) {
      taken = count - count % block;
      decode_whole_blocks(dtype, in, taken, out);
    } else {
      taken = std::min(block - skip, count);
      decode_whole_blocks(dtype, in, block, scratch.data());
      std::copy_n(scratch.data() + skip, taken, out);
    }
    first += taken;
    count -= taken;
    out += taken;
  }
}

}  // namespace mm_orch::weights
