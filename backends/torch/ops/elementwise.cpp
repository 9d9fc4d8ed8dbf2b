#include <ATen/ops/gelu.h>
#include <ATen/ops/silu.h>

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

}  // namespace

Step lower_add(const graph::Node& node) { return lower_binary(kernels::add, node); }

Step lower_multiply(const graph::Node& node) { return lower_binary(kernels::multiply, node); }

Step lower_silu(const graph::Node& node) {
  return [input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    auto y = frame.values[output].tensor();
    at::silu_out(y, frame.values[input].tensor());
  };
}

Step lower_gelu(const graph::Gelu& op, const graph::Node& node) {
  const char* approximate = op.tanh_approximation ? "tanh" : "none";
  return [approximate, input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    auto y = frame.values[output].tensor();
    at::gelu_out(y, frame.values[input].tensor(), approximate);
  };
}

}  // namespace mm_orch::torch_backend
