#include "kernels/linear.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "kernels/rowwise.h"
#include "ops/int8_linear.h"
#include "ops/lowering.h"
#include "ops/packed_linear.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {
namespace {

// Up to here our kernel is worth it against MKL's sgemm: 1 row as fast (memory-bound, 28 GB/s with
// 2 threads for [49152, 576]), 2 rows 0.85 times with AVX-512, 4 to 16 rows 1.05 to 2.6 times.
constexpr int64_t kFewRows = 16;

constexpr int64_t kPanelFloats = 1 << 20;  // of weights expanded for one sgemm

void few_rows(const Matrix& weight, const float* bias, const View& x, const View& y) {
  parallel_for(y.columns, 16, [&](int64_t first, int64_t last) {
    for (const auto& range : weight.ranges) {
      const int64_t begin = std::max(first, range.first) - range.first;
      const int64_t end = std::min(last, range.first + range.count) - range.first;
      if (begin >= end) continue;
      kernels::linear(
          {x.data, x.stride, std::get<kernels::Rows>(range.weight),
           bias ? bias + range.first : nullptr, y.data + range.first, y.stride, x.rows, x.columns},
          begin, end);
    }
  });
}

// y[:, first : first + count] = x · panelᵀ.
void multiply(const float* panel, int64_t first, int64_t count, const View& x, const View& y) {
  const auto weight = at::from_blob(const_cast<float*>(panel), {count, x.columns}, at::kFloat);
  auto out = y.tensor().narrow(1, first, count);
  at::mm_out(out, x.tensor(), weight.t());
}

void many_rows(const Matrix& weight, const View& x, const View& y) {
  const int64_t panel_rows = std::max<int64_t>(1, kPanelFloats / x.columns);
  at::Tensor scratch;
  for (const auto& range : weight.ranges) {
    const auto& rows = std::get<kernels::Rows>(range.weight);
    if (rows.dtype == DType::kF32) {
      multiply(reinterpret_cast<const float*>(rows.data), range.first, range.count, x, y);
      continue;
    }
    if (!scratch.defined()) scratch = at::empty({panel_rows * x.columns}, at::kFloat);
    auto* panel = scratch.data_ptr<float>();
    for (int64_t row = 0; row < range.count; row += panel_rows) {
      const int64_t count = std::min(panel_rows, range.count - row);
      for_rows(count, x.columns, [&](int64_t first, int64_t last) {
        kernels::expand(rows, row + first, last - first, x.columns, panel + first * x.columns);
      });
      multiply(panel, range.first + row, count, x, y);
    }
  }
}

}  // namespace

void apply_linear(const Matrix& weight, const float* bias, Precision precision, const View& x,
                  const View& y) {
  if (x.rows > most_unpacked_rows(precision))
    return linear_packed(weight, bias, parts_of(precision), x, y);
  if (weight.in_strips()) return linear_int8(weight, bias, x, y);
  if (x.rows <= kFewRows) return few_rows(weight, bias, x, y);
  many_rows(weight, x, y);
  if (!bias) return;
  for_rows(y.rows, y.columns, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) kernels::add(y.row(r), bias, y.columns, y.row(r));
  });
}

Step lower_linear(const graph::Linear& op, const graph::Node& node, Lowering& lowering) {
  return [&weight = lowering.weights.matrix(op.weight),
          bias = lowering.weights.vector_or_null(op.bias), precision = lowering.weights.precision(),
          input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    apply_linear(weight, bias, precision, frame.values[input], frame.values[output]);
  };
}

}  // namespace mm_orch::torch_backend
