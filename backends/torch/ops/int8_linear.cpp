#include "ops/int8_linear.h"

#include <algorithm>

#include "ops/parallel.h"

namespace mm_orch::torch_backend {

constexpr int64_t kBytesAtOnce = 1 << 19;

int64_t int8_rows_at_once(int64_t rows, int64_t columns) {
  const auto row_bytes = columns / 32 * static_cast<int64_t>(sizeof(kernels::Int8Group));
  return std::min(rows, std::max<int64_t>(64, kBytesAtOnce / row_bytes / 8 * 8));
}

const kernels::Int8Group* to_int8(const View& x, int64_t first, int64_t count,
                                  std::vector<kernels::Int8Group>& buffer) {
  const int64_t groups = x.columns / 32;
  buffer.resize(static_cast<size_t>(count * groups));
  for_rows(count, x.columns, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels::to_int8(x.row(first + r), x.columns, buffer.data() + r * groups);
  });
  return buffer.data();
}

void multiply_int8(const Matrix& weight, const float* bias, const kernels::Int8Group* x,
                   int64_t count, const View& y, int64_t first) {
  int64_t strips = 0;
  for (const auto& range : weight.ranges) strips += kernels::strips_of(range.count);
  const auto columns = [&](int64_t begin, int64_t end) {
    for (const auto& range : weight.ranges) {
      const int64_t own_end = std::min(end, kernels::strips_of(range.count));
      if (begin < own_end)
        kernels::int8_linear(
            {x, std::get<kernels::Strips>(range.weight), bias ? bias + range.first : nullptr,
             y.row(first) + range.first, y.stride, count, weight.columns, range.count},
            std::max<int64_t>(begin, 0), own_end);
      begin -= kernels::strips_of(range.count);
      end -= kernels::strips_of(range.count);
    }
  };
  parallel_for(strips, 1, columns, parts_each(count));
}

void linear_int8(const Matrix& weight, const float* bias, const View& x, const View& y) {
  static thread_local std::vector<kernels::Int8Group> buffer;
  const int64_t at_once = int8_rows_at_once(x.rows, x.columns);
  for (int64_t row = 0; row < x.rows; row += at_once) {
    const int64_t count = std::min(at_once, x.rows - row);
    multiply_int8(weight, bias, to_int8(x, row, count, buffer), count, y, row);
  }
}

}  // namespace mm_orch::torch_backend
