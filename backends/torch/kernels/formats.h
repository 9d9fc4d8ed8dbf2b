// How stored weights become floats in registers, with the results of weights::read_f32 to
// the last bit: 4 to 8 bits times a scale of 11 to 19 bits is exact, so that one rounding is left.
//
// A format has kGroup, the elements that it expands at a time (0: as many as there are
// lanes), kBits of an element, and expand<kLanes>(row, group, out).
// Source of the block layouts: ggml-common.h (ggml, MIT).
#pragma once

#include "base/dtype.h"
#include "kernels/widen.h"

namespace mm_orch::torch_backend::kernels {

struct F32Format {
  static constexpr int kGroup = 0;
  static constexpr double kBits = 32;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    *out = Simd<kLanes>::load(reinterpret_cast<const float*>(row) + group * kLanes);
  }
  MM_ORCH_INLINE static float one(const std::byte* row, int64_t i) {
    return load_as<float>(row + 4 * i);
  }
};

struct BF16Format {
  static constexpr int kGroup = 0;
  static constexpr double kBits = 16;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    *out = Widen<kLanes>::bf16(row + 2 * group * kLanes);
  }
  MM_ORCH_INLINE static float one(const std::byte* row, int64_t i) {
    return std::bit_cast<float>(uint32_t{load_as<uint16_t>(row + 2 * i)} << 16);
  }
};

struct F16Format {
  static constexpr int kGroup = 0;
  static constexpr double kBits = 16;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    *out = Widen<kLanes>::f16(row + 2 * group * kLanes);
  }
  MM_ORCH_INLINE static float one(const std::byte* row, int64_t i) {
    return half_to_float(load_as<uint16_t>(row + 2 * i));
  }
};

// ---- Blocks: a row is a whole number of them. ----

template <int kLanes>
MM_ORCH_INLINE typename Simd<kLanes>::Vector to_float(typename Simd<kLanes>::Integers v) {
  return __builtin_convertvector(v, typename Simd<kLanes>::Vector);
}

struct Q8_0Format {
  static constexpr int kGroup = 32;
  static constexpr double kBits = 8.5;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    const std::byte* block = row + group * 34;
    const auto scale = Widen<kLanes>::half(block);
    for (int i = 0; i < 32 / kLanes; ++i)
      out[i] = to_float<kLanes>(Widen<kLanes>::i8(block + 2 + i * kLanes)) * scale;
  }
};

// The low nibbles of 16 bytes, then the high ones.
template <int kLanes>
MM_ORCH_INLINE void expand_nibbles(const std::byte* bytes, typename Simd<kLanes>::Integers* out) {
  for (int i = 0; i < 16 / kLanes; ++i) {
    const auto both = Widen<kLanes>::u8(bytes + i * kLanes);
    out[i] = both & 15;
    out[i + 16 / kLanes] = both >> 4;
  }
}

struct Q4_0Format {
  static constexpr int kGroup = 32;
  static constexpr double kBits = 4.5;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    const std::byte* block = row + group * 18;
    const auto scale = Widen<kLanes>::half(block);
    typename Simd<kLanes>::Integers q[32 / kLanes];
    expand_nibbles<kLanes>(block + 2, q);
    for (int i = 0; i < 32 / kLanes; ++i) out[i] = to_float<kLanes>(q[i] - 8) * scale;
  }
};

struct Q4_1Format {
  static constexpr int kGroup = 32;
  static constexpr double kBits = 5;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    const std::byte* block = row + group * 20;
    const auto scale = Widen<kLanes>::half(block);
    const auto minimum = Widen<kLanes>::half(block + 2);
    typename Simd<kLanes>::Integers q[32 / kLanes];
    expand_nibbles<kLanes>(block + 4, q);
    for (int i = 0; i < 32 / kLanes; ++i) out[i] = to_float<kLanes>(q[i]) * scale + minimum;
  }
};

// ---- Blocks of 256 in 8 groups of 32. ----

// Scale and minimum of a group, 6 bits each, out of 12 bytes.
struct GroupScale {
  float scale, minimum;
};
MM_ORCH_INLINE GroupScale group_scale(const std::byte* packed, int64_t group) {
  const auto byte = [&](int64_t i) { return std::to_integer<unsigned>(packed[i]); };
  if (group < 4)
    return {static_cast<float>(byte(group) & 63), static_cast<float>(byte(group + 4) & 63)};
  return {static_cast<float>((byte(group + 4) & 15) | (byte(group - 4) >> 6 << 4)),
          static_cast<float>((byte(group + 4) >> 4) | (byte(group) >> 6 << 4))};
}

struct Q4_KFormat {
  static constexpr int kGroup = 32;
  static constexpr double kBits = 4.5;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    const std::byte* block = row + group / 8 * 144;
    const int64_t part = group % 8;
    const auto pair = group_scale(block + 4, part);
    const auto scale = Widen<kLanes>::half(block) * pair.scale;
    const auto minimum = Widen<kLanes>::half(block + 2) * pair.minimum;
    const std::byte* q = block + 16 + part / 2 * 32;
    const int shift = static_cast<int>(part % 2 * 4);
    for (int i = 0; i < 32 / kLanes; ++i)
      out[i] = to_float<kLanes>(Widen<kLanes>::u8(q + i * kLanes) >> shift & 15) * scale - minimum;
  }
};

struct Q5_KFormat {
  static constexpr int kGroup = 32;
  static constexpr double kBits = 5.5;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    const std::byte* block = row + group / 8 * 176;
    const int part = static_cast<int>(group % 8);
    const auto pair = group_scale(block + 4, part);
    const auto scale = Widen<kLanes>::half(block) * pair.scale;
    const auto minimum = Widen<kLanes>::half(block + 2) * pair.minimum;
    const std::byte* q = block + 48 + part / 2 * 32;
    const int shift = part % 2 * 4;
    for (int i = 0; i < 32 / kLanes; ++i) {
      const auto fifth = Widen<kLanes>::u8(block + 16 + i * kLanes) >> part & 1;
      const auto low = Widen<kLanes>::u8(q + i * kLanes) >> shift & 15;
      out[i] = to_float<kLanes>(low | fifth << 4) * scale - minimum;
    }
  }
};

struct Q6_KFormat {
  static constexpr int kGroup = 32;
  static constexpr double kBits = 6.5625;
  template <int kLanes>
  MM_ORCH_INLINE static void expand(const std::byte* row, int64_t group,
                                    typename Simd<kLanes>::Vector* out) {
    const std::byte* block = row + group / 8 * 210;
    const int part = static_cast<int>(group % 8);
    const int quarter = part % 4;
    const std::byte* low = block + part / 4 * 64 + quarter % 2 * 32;
    const std::byte* high = block + 128 + part / 4 * 32;
    const auto scale = Widen<kLanes>::half(block + 208);
    for (int i = 0; i < 32 / kLanes; ++i) {
      const auto own = load_as<int8_t>(block + 192 + part * 2 + i * kLanes / 16);
      const auto q = (Widen<kLanes>::u8(low + i * kLanes) >> quarter / 2 * 4 & 15) |
                     (Widen<kLanes>::u8(high + i * kLanes) >> quarter * 2 & 3) << 4;
      out[i] = to_float<kLanes>(q - 32) * (scale * static_cast<float>(own));
    }
  }
};

/// Calls f with the format of `dtype`; false if there is none.
template <class F>
MM_ORCH_INLINE bool with_format(DType dtype, const F& f) {
  switch (dtype) {
    case DType::kF32:
      f(F32Format());
      return true;
    case DType::kBF16:
      f(BF16Format());
      return true;
    case DType::kF16:
      f(F16Format());
      return true;
    case DType::kQ8_0:
      f(Q8_0Format());
      return true;
    case DType::kQ4_0:
      f(Q4_0Format());
      return true;
    case DType::kQ4_1:
      f(Q4_1Format());
      return true;
    case DType::kQ4_K:
      f(Q4_KFormat());
      return true;
    case DType::kQ5_K:
      f(Q5_KFormat());
      return true;
    case DType::kQ6_K:
      f(Q6_KFormat());
      return true;
    default:
      return false;
  }
}

}  // namespace mm_orch::torch_backend::kernels
