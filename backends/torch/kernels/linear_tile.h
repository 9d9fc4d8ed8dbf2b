// The templates behind `linear`, for each width of vectors.
#pragma once

#include "kernels/formats.h"
#include "kernels/linear.h"
#include "kernels/read_ahead.h"

namespace mm_orch::torch_backend::kernels {

// kOut weight rows against kRows rows of x: kOut · kRows accumulators stay in registers.
template <class Format, int kLanes, int kRows, int kOut>
MM_ORCH_INLINE void tile(const LinearArgs& a, int64_t row, int64_t column) {
  using S = Simd<kLanes>;
  constexpr int kGroup = Format::kGroup ? Format::kGroup : kLanes;
  constexpr int kVectors = kGroup / kLanes;
  constexpr int64_t kGroupBytes = static_cast<int64_t>(kGroup * Format::kBits / 8);
  const std::byte* w = a.weight.row(column);
  const float* x = a.x + row * a.x_stride;
  typename S::Vector acc[kRows][kOut] = {};
  const ReadAhead ahead(w, a.weight.row_bytes, kOut, kGroupBytes);
  int64_t i = 0;
  for (; i + kGroup <= a.in; i += kGroup) {
    typename S::Vector wv[kOut][kVectors];
    for (int o = 0; o < kOut; ++o) {
      Format::template expand<kLanes>(w + o * a.weight.row_bytes, i / kGroup, wv[o]);
      ahead.read(o, i / kGroup);
    }
    for (int v = 0; v < kVectors; ++v) {
      for (int r = 0; r < kRows; ++r) {
        const auto xv = S::load(x + r * a.x_stride + i + v * kLanes);
        for (int o = 0; o < kOut; ++o) acc[r][o] += xv * wv[o][v];
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOut; ++o) {
      float total = S::sum(acc[r][o]);
      if constexpr (Format::kGroup == 0)
        for (int64_t j = i; j < a.in; ++j)
          total += x[r * a.x_stride + j] * Format::one(w + o * a.weight.row_bytes, j);
      if (a.bias) total += a.bias[column + o];
      a.y[(row + r) * a.y_stride + column + o] = total;
    }
  }
}

template <class Format, int kLanes, int kOut>
MM_ORCH_INLINE void columns(const LinearArgs& a, int64_t column) {
  int64_t row = 0;
  if constexpr (kLanes == 16)  // AVX-512 has 32 registers, the others 16
    for (; row + 4 <= a.rows; row += 4) tile<Format, kLanes, 4, kOut>(a, row, column);
  for (; row + 2 <= a.rows; row += 2) tile<Format, kLanes, 2, kOut>(a, row, column);
  if (row < a.rows) tile<Format, kLanes, 1, kOut>(a, row, column);
}

template <int kLanes>
MM_ORCH_INLINE void linear_body(const LinearArgs& args, int64_t first, int64_t last) {
  with_format(args.weight.dtype, [&](auto format) MM_ORCH_INLINE_LAMBDA {
    using Format = decltype(format);
    int64_t column = first;
    for (; column + 4 <= last; column += 4) columns<Format, kLanes, 4>(args, column);
    for (; column < last; ++column) columns<Format, kLanes, 1>(args, column);
  });
}

}  // namespace mm_orch::torch_backend::kernels
