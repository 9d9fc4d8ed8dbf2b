// The templates behind the products in int8, for each width of vectors that has them.
#pragma once

#include <algorithm>
#include <type_traits>

#include "kernels/int8.h"
#include "kernels/strip_formats.h"

#if defined(__x86_64__)

namespace mm_orch::torch_backend::kernels {

inline constexpr int kHighBits = 7;  // of which `high` counts the multiples

// Per lane, the sum of four products of unsigned bytes and signed ones, added to `sums`.
template <int kLanes>
MM_ORCH_INLINE typename Simd<kLanes>::Integers dot(typename Simd<kLanes>::Integers sums,
                                                   typename Simd<kLanes>::Integers u,
                                                   typename Simd<kLanes>::Integers s) {
  if constexpr (kLanes == 16)
    return (VectorTypes<16>::Integers)__builtin_ia32_vpdpbusd_v16si((__v16si)sums, (__v16si)u,
                                                                    (__v16si)s);
  else
    return (VectorTypes<8>::Integers)__builtin_ia32_vpdpbusd_v8si((__v8si)sums, (__v8si)u,
                                                                  (__v8si)s);
}

// Four bytes in each lane, or a number.
template <int kLanes>
MM_ORCH_INLINE typename Simd<kLanes>::Integers splat(int32_t word) {
  if constexpr (kLanes == 16)
    return (VectorTypes<16>::Integers)__builtin_ia32_pbroadcastd512_gpr_mask(word, __v16si{}, -1);
  else
    return (VectorTypes<8>::Integers)__builtin_ia32_pbroadcastd256(__v4si{word, 0, 0, 0});
}
template <int kLanes>
MM_ORCH_INLINE typename Simd<kLanes>::Integers splat(const int8_t* four) {
  int32_t word;
  std::memcpy(&word, four, sizeof word);
  return splat<kLanes>(word);
}

// a · b + c, spelled out: g++ contracts some of these and not others, and a row's bits would depend
// on how many are beside it.
template <int kLanes>
MM_ORCH_INLINE typename Simd<kLanes>::Vector fma(typename Simd<kLanes>::Vector a,
                                                 typename Simd<kLanes>::Vector b,
                                                 typename Simd<kLanes>::Vector c) {
  if constexpr (kLanes == 16)
    return (VectorTypes<16>::Vector)__builtin_ia32_vfmaddps512_mask((__v16sf)a, (__v16sf)b,
                                                                    (__v16sf)c, -1, 4);
  else
    return (VectorTypes<8>::Vector)__builtin_ia32_vfmaddps256((__v8sf)a, (__v8sf)b, (__v8sf)c);
}

// ---- x ----

using Eight = Simd<8>;

MM_ORCH_INLINE Eight::Integers larger(Eight::Integers a, Eight::Integers b) {
  return a > b ? a : b;
}
MM_ORCH_INLINE Eight::Integers swap_pairs(Eight::Integers v) {
  return __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
}
template <class Vector>
MM_ORCH_INLINE Vector swap_halves_of_four(Vector v) {
  return __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
}
template <class Vector>
MM_ORCH_INLINE Vector swap_halves(Vector v) {
  return __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
}
MM_ORCH_INLINE int32_t largest_of(Eight::Integers v) {
  v = larger(v, swap_halves(v));
  v = larger(v, swap_halves_of_four(v));
  return larger(v, swap_pairs(v))[0];
}

struct Scale {
  float value;
  int32_t large;  // the chunk of the largest
};

// Magnitudes are compared as whole numbers, among which what is no number is the largest, with the
// chunk's number for their last three bits.
MM_ORCH_INLINE Scale scale_of(const Eight::Vector (&x)[4]) {
  Eight::Integers chunks[4];
  for (int i = 0; i < 4; ++i) {
    const auto magnitude = std::bit_cast<Eight::Integers>(x[i]) & 0x7fffffff;
    const auto pairs = larger(magnitude, swap_pairs(magnitude));
    chunks[i] = larger(pairs, swap_halves_of_four(pairs));
  }
  const auto first = __builtin_shufflevector(chunks[0], chunks[1], 0, 4, 8, 12, 0, 0, 0, 0);
  const auto last = __builtin_shufflevector(chunks[2], chunks[3], 0, 4, 8, 12, 0, 0, 0, 0);
  auto of_chunks = __builtin_shufflevector(first, last, 0, 1, 2, 3, 8, 9, 10, 11);
  of_chunks = (of_chunks & ~7) | Eight::Integers{0, 1, 2, 3, 4, 5, 6, 7};
  const int32_t largest = largest_of(of_chunks);
  const int32_t second = largest_of(of_chunks == largest ? Eight::Integers{} : of_chunks);
  const float of_others = std::max(std::bit_cast<float>(second) / 127.0f, 1e-30f);
  const float of_large = std::bit_cast<float>(largest) / (127.0f * (1 << kHighBits));
  return {of_others > of_large ? of_others : of_large, largest & 7};
}

MM_ORCH_INLINE void to_int8_body(const float* x, int64_t n, Int8Group* out) {
  for (int64_t group = 0; group < n / 32; ++group, x += 32, ++out) {
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    Eight::Vector values[4];
    for (int i = 0; i < 4; ++i) values[i] = Eight::load(x + 8 * i);
    const auto scale = scale_of(values);
    const float inverse = 1.0f / scale.value;
    Eight::Integers whole[4];
    for (int i = 0; i < 4; ++i)
      whole[i] = __builtin_convertvector(values[i] * inverse + magic - magic, Eight::Integers);
    // Unsigned, as sums of what NaN becomes wrap.
    typedef uint32_t Unsigned __attribute__((vector_size(32)));
    const auto unsigned_of = [&](int i) MM_ORCH_INLINE_LAMBDA { return (Unsigned)whole[i]; };
    const auto sum_of = [](Unsigned v) MM_ORCH_INLINE_LAMBDA {
      v += swap_halves(v);
      v += swap_halves_of_four(v);
      return v[0] + v[1];
    };
    const auto first = unsigned_of(0) + unsigned_of(1);
    const auto all = first + unsigned_of(2) + unsigned_of(3);
    const uint32_t sum = sum_of(all);
    out->minus_sum = static_cast<int32_t>(0 - sum);
    out->minus_half = static_cast<int32_t>(0 - sum_of(first));
    out->scale = scale.value;
    out->sum = static_cast<float>(static_cast<int32_t>(sum)) * scale.value;
    out->large = scale.large;
    // Packing works on the two halves of its operands apart.
    const auto packed =
        __builtin_ia32_packsswb256(__builtin_ia32_packssdw256((__v8si)whole[0], (__v8si)whole[1]),
                                   __builtin_ia32_packssdw256((__v8si)whole[2], (__v8si)whole[3]));
    const auto bytes = __builtin_ia32_permvarsi256((__v8si)packed, __v8si{0, 4, 1, 5, 2, 6, 3, 7});
    std::memcpy(out->values, &bytes, sizeof bytes);
    int32_t large[32];
    std::memcpy(large, whole, sizeof whole);
    for (int i = 0; i < 4; ++i) {
      const int32_t value = large[4 * scale.large + i];
      const int32_t high = value >> kHighBits;  // rounded down, so that 0 to 127 are left
      out->high[i] = static_cast<int8_t>(high);
      out->values[4 * scale.large + i] = static_cast<int8_t>(value - (high << kHighBits));
    }
  }
}

// ---- Products ----

// How far ahead of products the weight is read into the cache, in bytes.
inline constexpr int64_t kAhead = 2048;

// kLanes weight rows of a strip, from `row` on, against kRows rows of x. Reads `ahead` bytes
// further on into the cache.
template <class Strip, int kLanes, int kRows, class Args>
MM_ORCH_INLINE void tile(const Args& a, int64_t x_row, const std::byte* strip, int64_t row,
                         int64_t ahead, typename Simd<kLanes>::Vector (&result)[kRows]) {
  using V = Simd<kLanes>;
  using Integers = typename V::Integers;
  const int64_t groups = a.in / kGroup;
  const Int8Group* x = a.x + x_row * groups;
  typename V::Vector sums[kRows] = {};  // of its own, lest it be stored for each group
  alignas(64) Integers unpacked[kChunks];
  for (int64_t g = 0; g < groups; ++g) {
    const std::byte* elements = Strip::elements(strip, g) + 4 * row;
    Integers u[kChunks];
    Strip::template chunks<kLanes>(elements, u);
    const auto* at = reinterpret_cast<const std::byte*>(unpacked);
    int64_t at_step = sizeof(Integers);
    if constexpr (Strip::kBits == 8) {
      at = elements;
      at_step = kChunkBytes;
    } else {
      for (int j = 0; j < kChunks; ++j) unpacked[j] = u[j];
    }
    const auto scales = Strip::template scales<kLanes>(strip, g, row);
    for (int64_t i = 0; i < Strip::kGroupBytes; i += 64) __builtin_prefetch(elements + ahead + i);
    constexpr int kChunksOfHalf = kChunks / Strip::kHalves;
#pragma GCC unroll 2
    for (int half = 0; half < Strip::kHalves; ++half) {
      Integers totals[kRows];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Int8Group& part = x[r * groups + g];
        int32_t start = Strip::kMinimum ? 0 : part.minus_sum, mask = -1;
        if constexpr (Strip::kHalves == 2) {
          start = half == 0 ? part.minus_half : part.minus_sum - part.minus_half;
          mask = part.large / kChunksOfHalf == half ? -1 : 0;
        }
        // What u is moved by times minus the sum, with the large ones' high parts.
        totals[r] = dot<kLanes>(splat<kLanes>(start), load_as<Integers>(at + part.large * at_step),
                                splat<kLanes>(part.high) & mask)
                    << kHighBits;
      }
#pragma GCC unroll 8
      for (int j = half * kChunksOfHalf; j < (half + 1) * kChunksOfHalf; ++j)
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r)
          totals[r] = dot<kLanes>(totals[r], u[j], splat<kLanes>(x[r * groups + g].values + 4 * j));
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
        sums[r] = fma<kLanes>(__builtin_convertvector(totals[r], typename V::Vector),
                              scales.scale[half] * x[r * groups + g].scale, sums[r]);
    }
    if constexpr (Strip::kMinimum)
      for (int r = 0; r < kRows; ++r)
        sums[r] =
            fma<kLanes>(scales.minimum, typename V::Vector{} + x[r * groups + g].sum, sums[r]);
  }
  for (int r = 0; r < kRows; ++r) result[r] = sums[r];
}

// Calls f(rows, row) for tiles of the rows [0, end).
template <int kMostRows, class F>
MM_ORCH_INLINE void in_tiles(int64_t end, const F& f) {
  int64_t row = 0;
  const auto run = [&](auto rows) MM_ORCH_INLINE_LAMBDA {
    for (; row + decltype(rows)::value <= end; row += decltype(rows)::value) f(rows, row);
  };
  if constexpr (kMostRows >= 8) run(std::integral_constant<int, 8>());
  if constexpr (kMostRows >= 4) run(std::integral_constant<int, 4>());
  run(std::integral_constant<int, 2>());
  run(std::integral_constant<int, 1>());
}

// Products of many rows go through the rows of x for some strips at a time, which stay in the
// processor's L2 cache, as eight rows of x do in L1; those of few through the strips, and read the
// next one while they use one.
inline constexpr int64_t kFewRows = 32, kBlockBytes = 192 << 10;

inline int64_t strips_at_once(int64_t rows, int64_t strip_bytes) {
  return rows <= kFewRows ? 1 : std::max<int64_t>(1, kBlockBytes / strip_bytes);
}
// So far ahead do tiles of the rows from `row` on read.
inline int64_t ahead_of(int64_t rows, int64_t row, int64_t strip_bytes) {
  return row > 0 && rows <= kFewRows ? strip_bytes : kAhead;
}

// Calls f(rows, row, begin, end, ahead) for blocks [begin, end) of the units [first, last), of so
// many strips each, and in a block for tiles of the rows of x.
template <int kMostRows, class Args, class F>
MM_ORCH_INLINE void in_blocks(const Args& a, int64_t strips, int64_t first, int64_t last,
                              const F& f) {
  const int64_t bytes = a.weight.strip_bytes;
  const int64_t at_once = std::max<int64_t>(1, strips_at_once(a.rows, bytes) / strips);
  for (int64_t begin = first; begin < last; begin += at_once) {
    const int64_t end = std::min(last, begin + at_once);
    in_tiles<kMostRows>(a.rows, [&](auto rows, int64_t row) MM_ORCH_INLINE_LAMBDA {
      f(rows, row, begin, end, ahead_of(a.rows, row, bytes));
    });
  }
}

template <int kLanes, int kMostRows>
MM_ORCH_INLINE void int8_linear_body(const Int8Args& a, int64_t first, int64_t last) {
  using V = Simd<kLanes>;
  with_strips(a.weight.dtype, [&](auto format) MM_ORCH_INLINE_LAMBDA {
    const auto block = [&](auto rows, int64_t row, int64_t begin, int64_t end,
                           int64_t ahead) MM_ORCH_INLINE_LAMBDA {
      constexpr int kRows = decltype(rows)::value;
      for (int64_t column = begin * kStripRows; column < std::min(a.out, end * kStripRows);
           column += kLanes) {
        const int64_t held = std::min<int64_t>(kLanes, a.out - column);
        float bias[kLanes] = {};
        if (a.bias) std::copy_n(a.bias + column, held, bias);
        typename V::Vector sums[kRows];
        tile<decltype(format), kLanes, kRows>(a, row, a.weight.strip(column / kStripRows),
                                              column % kStripRows, ahead, sums);
        for (int r = 0; r < kRows; ++r) {
          float* y = a.y + (row + r) * a.y_stride + column;
          const auto result = sums[r] + V::load(bias);
          if (held == kLanes)
            V::store(y, result);
          else
            for (int64_t i = 0; i < held; ++i) y[i] = result[i];
        }
      }
    };
    in_blocks<kMostRows>(a, 1, first, last, block);
  });
}

template <int kLanes, int kMostRows>
MM_ORCH_INLINE void int8_gated_body(const Int8GatedArgs& a, int64_t first, int64_t last) {
  using V = Simd<kLanes>;
  constexpr int64_t kStrips = 2 * kGroup / kStripRows;  // of a group of y
  with_strips(a.weight.dtype, [&](auto format) MM_ORCH_INLINE_LAMBDA {
    const auto block = [&](auto rows, int64_t row, int64_t begin, int64_t end,
                           int64_t ahead) MM_ORCH_INLINE_LAMBDA {
      constexpr int kRows = decltype(rows)::value;
      for (int64_t group = begin; group < end; ++group) {
        float products[kRows][kGroup];
        for (int64_t i = 0; i < kGroup; i += kLanes) {
          const int64_t column = group * kGroup + i;
          typename V::Vector sums[2][kRows];
          for (int part = 0; part < 2; ++part) {
            const int64_t strip = (part * a.out + column) / kStripRows;
            tile<decltype(format), kLanes, kRows>(a, row, a.weight.strip(strip),
                                                  column % kStripRows, ahead, sums[part]);
            if (a.bias)
              for (auto& sum : sums[part]) sum += V::load(a.bias + part * a.out + column);
          }
          for (int r = 0; r < kRows; ++r)
            V::store(products[r] + i, sums[0][r] * V::sigmoid(sums[0][r]) * sums[1][r]);
        }
        for (int r = 0; r < kRows; ++r)
          to_int8_body(products[r], kGroup, a.y + (row + r) * (a.out / kGroup) + group);
      }
    };
    in_blocks<kMostRows>(a, kStrips, first, last, block);
  });
}

}  // namespace mm_orch::torch_backend::kernels

#endif
