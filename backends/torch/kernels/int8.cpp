#include "kernels/int8.h"

#include <algorithm>
#include <cmath>

#include "kernels/int8_formats.h"
#include "kernels/read_ahead.h"

namespace mm_orch::torch_backend::kernels {

bool in_int8(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K:
      return true;
    default:
      return false;
  }
}

void to_q8_0(const float* x, int64_t n, std::byte* out) {
  for (int64_t block = 0; block < n / 32; ++block, x += 32, out += 34) {
    float largest = 0.0f;
    for (int i = 0; i < 32; ++i) largest = std::max(largest, std::abs(x[i]));
    const uint16_t scale = float_to_half(largest / 127.0f);
    std::memcpy(out, &scale, sizeof scale);
    const float stored = half_to_float(scale);
    const float inverse = stored > 0.0f ? 1.0f / stored : 0.0f;
    for (int i = 0; i < 32; ++i)
      out[2 + i] = static_cast<std::byte>(
          static_cast<int8_t>(std::clamp(std::nearbyint(x[i] * inverse), -127.0f, 127.0f)));
  }
}

#if defined(__x86_64__)

namespace {

using S = Simd<8>;

// Per lane, the sum of four products of unsigned bytes and signed ones, added to `sums`.
MM_ORCH_INLINE S::Integers dot(S::Integers sums, Words u, Words s) {
  return (S::Integers)__builtin_ia32_vpdpbusd_v8si((__v8si)sums, (__v8si)u, (__v8si)s);
}

// In each lane, the largest magnitude of its four neighbours; at least one whose inverse is finite.
MM_ORCH_INLINE S::Vector largest_of_four(S::Vector v) {
  v = v < 0.0f ? -v : v;
  v = v > 1e-30f ? v : S::Vector{} + 1e-30f;
  const auto pairs = __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
  v = pairs > v ? pairs : v;
  const auto others = __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
  return others > v ? others : v;
}

MM_ORCH_INLINE void to_bytes_body(const float* x, int64_t n, ByteGroup* out) {
  for (int64_t group = 0; group < n / 32; ++group, x += 32, ++out) {
    const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
    __v8si whole[4];
    for (int i = 0; i < 4; ++i) {
      const auto values = S::load(x + 8 * i);
      const auto largest = largest_of_four(values);
      const auto steps = values * (127.0f / largest);
      whole[i] = (__v8si)(__builtin_convertvector(steps + magic - magic, S::Integers));
      out->scales[2 * i] = largest[0] / 127.0f;
      out->scales[2 * i + 1] = largest[4] / 127.0f;
    }
    // Packing works on the two halves of its operands apart.
    const auto packed = __builtin_ia32_packsswb256(__builtin_ia32_packssdw256(whole[0], whole[1]),
                                                   __builtin_ia32_packssdw256(whole[2], whole[3]));
    const auto bytes =
        (Words)__builtin_ia32_permvarsi256((__v8si)packed, __v8si{0, 4, 1, 5, 2, 6, 3, 7});
    std::memcpy(out->values, &bytes, sizeof bytes);
    const auto sums = -dot(S::Integers{}, Words{} + 0x01010101, bytes);
    std::memcpy(out->sums, &sums, sizeof sums);
    out->sum = -S::sum(__builtin_convertvector(sums, S::Vector) * S::load(out->scales));
  }
}

// kOut weight rows against kRows rows of x.
template <class Format, int kRows, int kOut>
MM_ORCH_INLINE void tile(const Int8Args& a, int64_t row, int64_t column) {
  using Group = Int8Format<Format>;
  constexpr int64_t kGroupBytes = static_cast<int64_t>(32 * Format::kBits / 8);
  const int64_t groups = a.in / 32;
  const std::byte* w = a.weight.row(column);
  const ByteGroup* x = a.x + row * groups;
  S::Vector acc[kRows][kOut] = {};
  float low[kRows][kOut] = {};
  const ReadAhead ahead(w, a.weight.row_bytes, kOut, kGroupBytes);
  for (int64_t g = 0; g < groups; ++g) {
    WeightGroup weights[kOut];
    for (int o = 0; o < kOut; ++o) {
      weights[o] = Group::group(w + o * a.weight.row_bytes, g);
      ahead.read(o, g);
    }
    for (int r = 0; r < kRows; ++r) {
      const ByteGroup& part = x[r * groups + g];
      const auto values = *reinterpret_cast<const Words*>(part.values);
      const auto scales = S::load(part.scales);
      S::Integers start = {};
      if constexpr (Group::kOffset >= 0)
        start = *reinterpret_cast<const S::Integers*>(part.sums) << Group::kOffset;
      for (int o = 0; o < kOut; ++o) {
        const auto sums = dot(start, weights[o].bytes, values);
        acc[r][o] += __builtin_convertvector(sums, S::Vector) * (weights[o].scale * scales);
        // Spelled out: g++ contracts some of these and not others, and a row's bits would depend on
        // how many are beside it.
        if constexpr (Group::kOffset < 0)
          low[r][o] = __builtin_fmaf(weights[o].minimum, part.sum, low[r][o]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int o = 0; o < kOut; ++o)
      a.y[(row + r) * a.y_stride + column + o] =
          S::sum(acc[r][o]) + low[r][o] + (a.bias ? a.bias[column + o] : 0.0f);
}

template <class Format, int kMostRows, int kOut>
MM_ORCH_INLINE void columns(const Int8Args& a, int64_t column) {
  int64_t row = 0;
  if constexpr (kMostRows == 4)
    for (; row + 4 <= a.rows; row += 4) tile<Format, 4, kOut>(a, row, column);
  for (; row + 2 <= a.rows; row += 2) tile<Format, 2, kOut>(a, row, column);
  if (row < a.rows) tile<Format, 1, kOut>(a, row, column);
}

template <int kMostRows>
MM_ORCH_INLINE void int8_linear_body(const Int8Args& args, int64_t first, int64_t last) {
  with_format(args.weight.dtype, [&](auto format) MM_ORCH_INLINE_LAMBDA {
    using Format = decltype(format);
    if constexpr (Format::kGroup == 32) {
      int64_t column = first;
      for (; column + 4 <= last; column += 4) columns<Format, kMostRows, 4>(args, column);
      for (; column < last; ++column) columns<Format, kMostRows, 1>(args, column);
    }
  });
}

#define MM_ORCH_VNNI_512 __attribute__((target("arch=x86-64-v4,avx512vnni")))
#define MM_ORCH_VNNI_256 __attribute__((target("arch=x86-64-v3,avxvnni")))

MM_ORCH_VNNI_512 void to_bytes_512(const float* x, int64_t n, ByteGroup* out) {
  to_bytes_body(x, n, out);
}
MM_ORCH_VNNI_256 void to_bytes_256(const float* x, int64_t n, ByteGroup* out) {
  to_bytes_body(x, n, out);
}
MM_ORCH_VNNI_512 void int8_linear_512(const Int8Args& args, int64_t first, int64_t last) {
  int8_linear_body<4>(args, first, last);
}
MM_ORCH_VNNI_256 void int8_linear_256(const Int8Args& args, int64_t first, int64_t last) {
  int8_linear_body<2>(args, first, last);
}

bool has_512() { return has_v4() && __builtin_cpu_supports("avx512vnni"); }

}  // namespace

bool has_vnni() {
  static const bool result = has_512() || (has_v3() && __builtin_cpu_supports("avxvnni"));
  return result;
}

void to_bytes(const float* x, int64_t n, ByteGroup* out) {
  static const auto best = has_512() ? to_bytes_512 : to_bytes_256;
  best(x, n, out);
}

void int8_linear(const Int8Args& args, int64_t first, int64_t last) {
  static const auto best = has_512() ? int8_linear_512 : int8_linear_256;
  best(args, first, last);
}

#else

bool has_vnni() { return false; }
void to_bytes(const float*, int64_t, ByteGroup*) {}
void int8_linear(const Int8Args&, int64_t, int64_t) {}

#endif

}  // namespace mm_orch::torch_backend::kernels
