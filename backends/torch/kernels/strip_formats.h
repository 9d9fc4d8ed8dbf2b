// The parts of a strip. A group is 32 neighbours of each of the 16 rows, in 8 chunks: chunk j has
// element 4j + b of row r in byte 4r + b. One, two or eight groups lie together: first their
// scales, filled up to 64 bytes, then their elements. So a strip is read from its first byte to its
// last.
//
// Elements are unsigned bytes u. Where kMinimum, a weight is scale · u + minimum; elsewhere it is
// scale · (u − 128), u being moved up to 8 bits, and scales are those of what was moved.
// Source of the block layouts: ggml-common.h (ggml, MIT).
#pragma once

#include <algorithm>

#include "kernels/formats.h"
#include "kernels/strips.h"

namespace mm_orch::torch_backend::kernels {

inline constexpr int64_t kGroup = 32;  // elements of a row
inline constexpr int kChunks = 8;      // of a group
inline constexpr int64_t kChunkBytes = 64;

/// Of kLanes rows of a group.
template <int kLanes, int kHalves>
struct GroupScales {
  typename Simd<kLanes>::Vector scale[kHalves];  // of the first and the last 16 elements, or of all
  typename Simd<kLanes>::Vector minimum = {};
};

// ---- Scales: put() lays those of a row's group out, get() reads those of rows. ----

/// Where scales are: of a group, and of its block of 256 elements.
template <class Byte>
struct ScalePlace {
  Byte *group, *block;
};

/// A half for each group, and one for its minimum.
template <bool kMinimum>
struct HalfScales {
  static constexpr int64_t kTogether = kMinimum ? 1 : 2;
  static constexpr int64_t kGroupBytes = kMinimum ? 64 : 32, kBlockBytes = 0;
  static void put(const std::byte* stored, int64_t, int64_t row, ScalePlace<std::byte> to) {
    std::memcpy(to.group + 2 * row, stored, 2);
    if constexpr (kMinimum) std::memcpy(to.group + 32 + 2 * row, stored + 2, 2);
  }
  template <int kLanes>
  MM_ORCH_INLINE static GroupScales<kLanes, 1> get(ScalePlace<const std::byte> from, int64_t row) {
    GroupScales<kLanes, 1> scales{{Widen<kLanes>::f16(from.group + 2 * row)}};
    if constexpr (kMinimum) scales.minimum = Widen<kLanes>::f16(from.group + 32 + 2 * row);
    return scales;
  }
};

/// Two halves for a block, times 6 bits each for a group.
struct SixBitScales {
  static constexpr int64_t kTogether = 8, kGroupBytes = 32, kBlockBytes = 64;
  static void put(const std::byte* stored, int64_t group, int64_t row, ScalePlace<std::byte> to) {
    std::memcpy(to.block + 2 * row, stored, 2);
    std::memcpy(to.block + 32 + 2 * row, stored + 2, 2);
    const auto pair = group_scale(stored + 4, group % 8);
    to.group[row] = static_cast<std::byte>(pair.scale);
    to.group[16 + row] = static_cast<std::byte>(pair.minimum);
  }
  template <int kLanes>
  MM_ORCH_INLINE static GroupScales<kLanes, 1> get(ScalePlace<const std::byte> from, int64_t row) {
    using W = Widen<kLanes>;
    return {{W::f16(from.block + 2 * row) * to_float<kLanes>(W::u8(from.group + row))},
            -(W::f16(from.block + 32 + 2 * row) * to_float<kLanes>(W::u8(from.group + 16 + row)))};
  }
};

/// A half for a block, times a signed byte for each half of a group.
struct SignedScales {
  static constexpr int64_t kTogether = 8, kGroupBytes = 32, kBlockBytes = 32;
  static void put(const std::byte* stored, int64_t group, int64_t row, ScalePlace<std::byte> to) {
    std::memcpy(to.block + 2 * row, stored + 208, 2);
    for (int half = 0; half < 2; ++half)
      to.group[16 * half + row] = stored[192 + group % 8 * 2 + half];
  }
  template <int kLanes>
  MM_ORCH_INLINE static GroupScales<kLanes, 2> get(ScalePlace<const std::byte> from, int64_t row) {
    using W = Widen<kLanes>;
    const auto all = W::f16(from.block + 2 * row);
    return {{all * to_float<kLanes>(W::i8(from.group + row)),
             all * to_float<kLanes>(W::i8(from.group + 16 + row))}};
  }
};

// ---- The formats: bits and scales, and the elements of a group as they are stored. ----

template <class Format>
struct StripFormat {
  static constexpr bool kCan = false;
};

inline unsigned bits_of(std::byte byte, int64_t shift, unsigned mask) {
  return std::to_integer<unsigned>(byte) >> shift & mask;
}
inline unsigned nibble(const std::byte* bytes, int64_t i) {
  return bits_of(bytes[i % 16], i / 16 * 4, 15);
}

template <>
struct StripFormat<Q8_0Format> {
  static constexpr bool kCan = true, kMinimum = false;
  static constexpr int kBits = 8, kHalves = 1;
  using Scales = HalfScales<false>;
  static unsigned element(const std::byte* block, int64_t, int64_t i) {
    return bits_of(block[2 + i], 0, 255) ^ 128;
  }
};

template <>
struct StripFormat<Q4_0Format> {
  static constexpr bool kCan = true, kMinimum = false;
  static constexpr int kBits = 4, kHalves = 1;
  using Scales = HalfScales<false>;
  static unsigned element(const std::byte* block, int64_t, int64_t i) {
    return nibble(block + 2, i);
  }
};

template <>
struct StripFormat<Q4_1Format> {
  static constexpr bool kCan = true, kMinimum = true;
  static constexpr int kBits = 4, kHalves = 1;
  using Scales = HalfScales<true>;
  static unsigned element(const std::byte* block, int64_t, int64_t i) {
    return nibble(block + 4, i);
  }
};

template <>
struct StripFormat<Q4_KFormat> {
  static constexpr bool kCan = true, kMinimum = true;
  static constexpr int kBits = 4, kHalves = 1;
  using Scales = SixBitScales;
  static unsigned element(const std::byte* block, int64_t part, int64_t i) {
    return bits_of(block[16 + part / 2 * 32 + i], part % 2 * 4, 15);
  }
};

template <>
struct StripFormat<Q5_KFormat> {
  static constexpr bool kCan = true, kMinimum = true;
  static constexpr int kBits = 5, kHalves = 1;
  using Scales = SixBitScales;
  static unsigned element(const std::byte* block, int64_t part, int64_t i) {
    return bits_of(block[48 + part / 2 * 32 + i], part % 2 * 4, 15) |
           bits_of(block[16 + i], part, 1) << 4;
  }
};

template <>
struct StripFormat<Q6_KFormat> {
  static constexpr bool kCan = true, kMinimum = false;
  static constexpr int kBits = 6, kHalves = 2;
  using Scales = SignedScales;
  static unsigned element(const std::byte* block, int64_t part, int64_t i) {
    const int64_t quarter = part % 4;
    return bits_of(block[part / 4 * 64 + quarter % 2 * 32 + i], quarter / 2 * 4, 15) |
           bits_of(block[128 + part / 4 * 32 + i], quarter * 2, 3) << 4;
  }
};

// ---- A strip of a format. ----

template <class Format>
struct StripOf : StripFormat<Format> {
  using P = StripFormat<Format>;
  using typename P::Scales;
  static constexpr int64_t kGroupBytes = kChunkBytes * P::kBits;
  static constexpr int kUp = P::kMinimum ? 0 : 8 - P::kBits;  // bits by which u is moved up
  static constexpr int kHigh = P::kBits - 4;  // bits of an element beyond its lower four
  static constexpr int kInAPlane = 8 / std::max(1, kHigh);  // chunks whose high bits lie together

  static constexpr int64_t kScaleBytes =
      (Scales::kBlockBytes + Scales::kTogether * Scales::kGroupBytes + kChunkBytes - 1) /
      kChunkBytes * kChunkBytes;

  static constexpr int64_t bytes(int64_t groups) {
    return (groups + Scales::kTogether - 1) / Scales::kTogether * kScaleBytes +
           groups * kGroupBytes;
  }
  template <class Byte>
  MM_ORCH_INLINE static Byte* together(Byte* strip, int64_t g) {
    return strip + g / Scales::kTogether * bytes(Scales::kTogether);
  }
  template <class Byte>
  MM_ORCH_INLINE static ScalePlace<Byte> scale_place(Byte* strip, int64_t g) {
    Byte* first = together(strip, g);
    return {first + Scales::kBlockBytes + g % Scales::kTogether * Scales::kGroupBytes, first};
  }
  /// The elements of a group.
  template <class Byte>
  MM_ORCH_INLINE static Byte* elements(Byte* strip, int64_t g) {
    return together(strip, g) + kScaleBytes + g % Scales::kTogether * kGroupBytes;
  }

  /// Those of kLanes rows from `row` on, for u as it is moved up.
  template <int kLanes>
  MM_ORCH_INLINE static GroupScales<kLanes, P::kHalves> scales(const std::byte* strip, int64_t g,
                                                               int64_t row) {
    auto result = Scales::template get<kLanes>(scale_place(strip, g), row);
    if constexpr (kUp > 0)
      for (auto& scale : result.scale) scale *= 1.0f / (1 << kUp);
    return result;
  }

  /// Lays out a group, of a stored block, as row `row`.
  static void put(const std::byte* block, int64_t g, int64_t row, std::byte* out) {
    unsigned u[kGroup];
    for (int64_t i = 0; i < kGroup; ++i) u[i] = P::element(block, g % 8, i);
    out += 4 * row;
    for (int64_t i = 0; i < kGroup; ++i) {
      const int64_t chunk = i / 4, byte = i % 4;
      if constexpr (P::kBits == 8) {
        out[chunk * kChunkBytes + byte] = static_cast<std::byte>(u[i]);
      } else {
        out[chunk % 4 * kChunkBytes + byte] |= static_cast<std::byte>((u[i] & 15) << chunk / 4 * 4);
        if constexpr (kHigh > 0)
          out[(4 + chunk / kInAPlane) * kChunkBytes + byte] |=
              static_cast<std::byte>((u[i] >> 4) << chunk % kInAPlane * kHigh);
      }
    }
  }

  /// The chunks of a group, each of kLanes rows, u moved up; `elements` is at the first row's.
  template <int kLanes>
  MM_ORCH_INLINE static void chunks(const std::byte* elements,
                                    typename Simd<kLanes>::Integers (&u)[kChunks]) {
    using Integers = typename Simd<kLanes>::Integers;
    const auto plane = [&](int i) MM_ORCH_INLINE_LAMBDA {
      return load_as<Integers>(elements + i * kChunkBytes);
    };
    if constexpr (P::kBits == 8) {
      for (int j = 0; j < kChunks; ++j) u[j] = plane(j);
    } else {
      constexpr auto in_each = [](uint32_t mask) {
        return static_cast<int32_t>(mask * 0x01010101u);
      };
      for (int j = 0; j < 4; ++j) {
        u[j] = plane(j) << kUp & in_each(15 << kUp);
        u[j + 4] = plane(j) >> (4 - kUp) & in_each(15 << kUp);
      }
      if constexpr (kHigh > 0) {
        for (int j = 0; j < kChunks; ++j) {
          const auto high = plane(4 + j / kInAPlane);
          const int left = 4 + kUp - j % kInAPlane * kHigh;
          const auto moved = left >= 0 ? high << left : high >> -left;
          u[j] |= moved & in_each(((1 << kHigh) - 1) << (4 + kUp));
        }
      }
    }
  }
};

/// Calls f with the StripOf of `dtype`.
template <class F>
MM_ORCH_INLINE void with_strips(DType dtype, const F& f) {
  with_format(dtype, [&](auto format) MM_ORCH_INLINE_LAMBDA {
    using Format = decltype(format);
    if constexpr (StripFormat<Format>::kCan) f(StripOf<Format>());
  });
}

}  // namespace mm_orch::torch_backend::kernels
