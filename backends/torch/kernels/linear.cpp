#include "kernels/linear.h"

#include <algorithm>

#include "kernels/vector.h"

namespace mm_orch::torch_backend::kernels {
namespace {

// kOut weight rows against kRows rows of x: kOut · kRows accumulators stay in registers.
template <int kRows, int kOut>
MM_ORCH_INLINE void tile(const LinearArgs& a, int64_t row, int64_t column) {
  const float* w = a.weight + column * a.in;
  const float* x = a.x + row * a.x_stride;
  Vector acc[kRows][kOut] = {};
  int64_t i = 0;
  for (; i + kLanes <= a.in; i += kLanes) {
    Vector wv[kOut];
    for (int o = 0; o < kOut; ++o) wv[o] = load(w + o * a.in + i);
    for (int r = 0; r < kRows; ++r) {
      const Vector xv = load(x + r * a.x_stride + i);
      for (int o = 0; o < kOut; ++o) acc[r][o] += xv * wv[o];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int o = 0; o < kOut; ++o) {
      float total = sum(acc[r][o]);
      for (int64_t j = i; j < a.in; ++j) total += x[r * a.x_stride + j] * w[o * a.in + j];
      if (a.bias) total += a.bias[column + o];
      a.y[(row + r) * a.y_stride + column + o] = total;
    }
  }
}

template <int kOut>
MM_ORCH_INLINE void columns(const LinearArgs& a, int64_t column) {
  int64_t row = 0;
  for (; row + 4 <= a.rows; row += 4) tile<4, kOut>(a, row, column);
  if (row + 2 <= a.rows) {
    tile<2, kOut>(a, row, column);
    row += 2;
  }
  if (row < a.rows) tile<1, kOut>(a, row, column);
}

}  // namespace

MM_ORCH_CLONES void linear(const LinearArgs& args, int64_t first, int64_t last) {
  int64_t column = first;
  for (; column + 4 <= last; column += 4) columns<4>(args, column);
  for (; column < last; ++column) columns<1>(args, column);
}

}  // namespace mm_orch::torch_backend::kernels
