#include <ATen/ops/gelu.h>
#include <ATen/ops/tanh.h>

#include "kernels/rowwise.h"
#include "ops/lowering.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {
namespace {

using BinaryKernel = void (*)(const float* a, const float* b, int64_t n, float* y);

Step lower_binary(BinaryKernel kernel, const graph::Node& node) {
  return [kernel, left = node.inputs[0], right = node.inputs[1],
          output = node.outputs[0]](Frame& frame) {
    const View a = frame.values[left];
    const View b = frame.values[right];
    const View y = frame.values[output];
    for_rows(a.rows, a.columns, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) kernel(a.row(r), b.row(r), a.columns, y.row(r));
    });
  };
}

template <class Kernel>
Step lower_unary(Kernel kernel, const graph::Node& node) {
  return [kernel, input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    const View x = frame.values[input];
    const View y = frame.values[output];
    for_rows(x.rows, x.columns, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r) kernel(x.row(r), x.columns, y.row(r));
    });
  };
}

}  // namespace

Step lower_add(const graph::Node& node) { return lower_binary(kernels::add, node); }

Step lower_multiply(const graph::Node& node) { return lower_binary(kernels::multiply, node); }

Step lower_silu(const graph::Node& node) { return lower_unary(kernels::silu, node); }

Step lower_tanh(const graph::Node& node) {
  return [input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    auto y = frame.values[output].tensor();
    at::tanh_out(y, frame.values[input].tensor());
  };
}

Step lower_relu(const graph::Node& node) {
  return lower_unary([](const float* x, int64_t n, float* y) { kernels::relu(x, n, y); }, node);
}

Step lower_scale(const graph::Scale& op, const graph::Node& node) {
  return lower_unary([factor = op.factor](const float* x, int64_t n,
                                          float* y) { kernels::scale(x, factor, n, y); },
                     node);
}

Step lower_gelu(const graph::Gelu& op, const graph::Node& node) {
  if (op.tanh_approximation) return lower_unary(kernels::gelu_tanh, node);
  return [input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    auto y = frame.values[output].tensor();
    at::gelu_out(y, frame.values[input].tensor(), "none");
  };
}

}  // namespace mm_orch::torch_backend
