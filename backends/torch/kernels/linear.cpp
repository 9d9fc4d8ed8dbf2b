#include "kernels/linear.h"

#include "kernels/vector.h"

namespace mm_orch::torch_backend::kernels {
namespace {

// kOut weight rows against kRows rows of x: kOut · kRows accumulators stay in registers.
template <int kLanes, int kRows, int kOut>
MM_ORCH_INLINE void tile(const LinearArgs& a, int64_t row, int64_t column) {
  using S = Simd<kLanes>;
  const float* w = a.weight + column * a.in;
  const float* x = a.x + row * a.x_stride;
  typename S::Vector acc[kRows][kOut] = {};
  int64_t i = 0;
  for (; i + kLanes <= a.in; i += kLanes) {
    typename S::Vector wv[kOut];
    for (int o = 0; o < kOut; ++o) wv[o] = S::load(w + o * a.in + i);
    for (int r = 0; r < kRows; ++r) {
      const auto xv = S::load(x + r * a.x_stride + i);
      for (int o = 0; o < kOut; ++o) acc[r][o] += xv * wv[o];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOut; ++o) {
      float total = S::sum(acc[r][o]);
      for (int64_t j = i; j < a.in; ++j) total += x[r * a.x_stride + j] * w[o * a.in + j];
      if (a.bias) total += a.bias[column + o];
      a.y[(row + r) * a.y_stride + column + o] = total;
    }
  }
}

template <int kLanes, int kOut>
MM_ORCH_INLINE void columns(const LinearArgs& a, int64_t column) {
  int64_t row = 0;
  if constexpr (kLanes == 16)  // AVX-512 has 32 registers, the others 16
    for (; row + 4 <= a.rows; row += 4) tile<kLanes, 4, kOut>(a, row, column);
  for (; row + 2 <= a.rows; row += 2) tile<kLanes, 2, kOut>(a, row, column);
  if (row < a.rows) tile<kLanes, 1, kOut>(a, row, column);
}

template <int kLanes>
MM_ORCH_INLINE void linear_body(const LinearArgs& args, int64_t first, int64_t last) {
  int64_t column = first;
  for (; column + 4 <= last; column += 4) columns<kLanes, 4>(args, column);
  for (; column < last; ++column) columns<kLanes, 1>(args, column);
}

}  // namespace

MM_ORCH_KERNEL(linear, linear_body, (const LinearArgs& args, int64_t first, int64_t last),
               (args, first, last))

}  // namespace mm_orch::torch_backend::kernels
