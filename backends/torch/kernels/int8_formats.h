// Groups of 32 stored weights as unsigned bytes u, so that a weight is
// scale · (u − 2^kOffset) − or, where kOffset is −1, scale · u + minimum.
// Source of the block layouts: ggml-common.h (ggml, MIT).
#pragma once

#include "kernels/formats.h"

namespace mm_orch::torch_backend::kernels {

// 32 bytes, four in a word: g++ 12 shifts vectors of bytes slowly.
typedef uint32_t Words __attribute__((vector_size(32)));

MM_ORCH_INLINE Words bits(Words words, uint32_t shift, uint32_t mask) {
  return words >> shift & mask * 0x01010101;
}

struct WeightGroup {
  Words bytes;
  Simd<8>::Vector scale;  // lane i: of the elements 4i to 4i + 3
  float minimum = 0;
};

MM_ORCH_INLINE Words low_then_high(const std::byte* p) {
  typedef uint32_t Half __attribute__((vector_size(16)));
  const auto both = load_as<Half>(p);
  const auto twice = __builtin_shufflevector(both, both, 0, 1, 2, 3, 0, 1, 2, 3);
  return twice >> Words{0, 0, 0, 0, 4, 4, 4, 4} & 0x0f0f0f0f;
}

template <class Format>
struct Int8Format;

template <>
struct Int8Format<Q8_0Format> {
  static constexpr int kOffset = 7;
  MM_ORCH_INLINE static WeightGroup group(const std::byte* row, int64_t group) {
    const std::byte* block = row + group * 34;
    return {load_as<Words>(block + 2) ^ 0x80808080, Widen<8>::half(block)};
  }
};

template <>
struct Int8Format<Q4_0Format> {
  static constexpr int kOffset = 3;
  MM_ORCH_INLINE static WeightGroup group(const std::byte* row, int64_t group) {
    const std::byte* block = row + group * 18;
    return {low_then_high(block + 2), Widen<8>::half(block)};
  }
};

template <>
struct Int8Format<Q4_1Format> {
  static constexpr int kOffset = -1;
  MM_ORCH_INLINE static WeightGroup group(const std::byte* row, int64_t group) {
    const std::byte* block = row + group * 20;
    return {low_then_high(block + 4), Widen<8>::half(block), Widen<8>::half(block + 2)[0]};
  }
};

template <>
struct Int8Format<Q4_KFormat> {
  static constexpr int kOffset = -1;
  MM_ORCH_INLINE static WeightGroup group(const std::byte* row, int64_t group) {
    const std::byte* block = row + group / 8 * 144;
    const int64_t part = group % 8;
    const auto pair = group_scale(block + 4, part);
    const auto bytes = load_as<Words>(block + 16 + part / 2 * 32);
    return {bits(bytes, static_cast<uint32_t>(part % 2 * 4), 15),
            Widen<8>::half(block) * pair.scale, Widen<8>::half(block + 2)[0] * -pair.minimum};
  }
};

template <>
struct Int8Format<Q5_KFormat> {
  static constexpr int kOffset = -1;
  MM_ORCH_INLINE static WeightGroup group(const std::byte* row, int64_t group) {
    const std::byte* block = row + group / 8 * 176;
    const auto part = static_cast<uint32_t>(group % 8);
    const auto pair = group_scale(block + 4, part);
    const auto low = bits(load_as<Words>(block + 48 + part / 2 * 32), part % 2 * 4, 15);
    const auto fifth = bits(load_as<Words>(block + 16), part, 1);
    return {low | fifth << 4, Widen<8>::half(block) * pair.scale,
            Widen<8>::half(block + 2)[0] * -pair.minimum};
  }
};

template <>
struct Int8Format<Q6_KFormat> {
  static constexpr int kOffset = 5;
  MM_ORCH_INLINE static WeightGroup group(const std::byte* row, int64_t group) {
    const std::byte* block = row + group / 8 * 210;
    const auto part = static_cast<uint32_t>(group % 8);
    const auto quarter = part % 4;
    const auto low =
        bits(load_as<Words>(block + part / 4 * 64 + quarter % 2 * 32), quarter / 2 * 4, 15);
    const auto high = bits(load_as<Words>(block + 128 + part / 4 * 32), quarter * 2, 3);
    const auto* own = reinterpret_cast<const int8_t*>(block + 192 + part * 2);
    const auto first = static_cast<float>(own[0]), second = static_cast<float>(own[1]);
    const Simd<8>::Vector scales{first, first, first, first, second, second, second, second};
    return {low | high << 4, Widen<8>::half(block + 208) * scales};
  }
};

}  // namespace mm_orch::torch_backend::kernels
