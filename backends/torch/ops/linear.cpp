#include "kernels/linear.h"

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include "ops/lowering.h"

namespace mm_orch::torch_backend {
namespace {

// Up to here our kernel is worth it against MKL's sgemm: 1 row as fast (memory-bound, 28 GB/s with
// 2 threads for [49152, 576]), 2 rows 0.85 times with AVX-512, 4 to 16 rows 1.05 to 2.6 times.
constexpr int64_t kFewRows = 16;

}  // namespace

void apply_linear(const at::Tensor& weight, const float* bias, const View& x, const View& y) {
  if (x.rows <= kFewRows) {
    const kernels::LinearArgs args{x.data, x.stride, weight.const_data_ptr<float>(),
                                   bias,   y.data,   y.stride,
                                   x.rows, x.columns};
    at::parallel_for(0, y.columns, 16,
                     [&](int64_t first, int64_t last) { kernels::linear(args, first, last); });
    return;
  }
  auto out = y.tensor();
  if (!bias) {
    at::mm_out(out, x.tensor(), weight.t());
    return;
  }
  const auto bias_tensor = at::from_blob(const_cast<float*>(bias), {y.columns}, at::kFloat);
  at::addmm_out(out, bias_tensor, x.tensor(), weight.t());
}

Step lower_linear(const graph::Linear& op, const graph::Node& node, Lowering& lowering) {
  return [weight = lowering.weights[op.weight], bias = lowering.weights.data_or_null(op.bias),
          input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    apply_linear(weight, bias, frame.values[input], frame.values[output]);
  };
}

}  // namespace mm_orch::torch_backend
