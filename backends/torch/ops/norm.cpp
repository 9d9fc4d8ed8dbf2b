#include "kernels/rowwise.h"
#include "ops/lowering.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {

Step lower_layer_norm(const graph::LayerNorm& op, const graph::Node& node, Lowering& lowering) {
  return
      [weight = lowering.weights.vector(op.weight), bias = lowering.weights.vector_or_null(op.bias),
       epsilon = op.epsilon, input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
        const View x = frame.values[input];
        const View y = frame.values[output];
        for_rows(x.rows, x.columns, [&](int64_t first, int64_t last) {
          for (int64_t r = first; r < last; ++r)
            kernels::layer_norm(x.row(r), weight, bias, epsilon, x.columns, y.row(r));
        });
      };
}

Step lower_rms_norm(const graph::RmsNorm& op, const graph::Node& node, Lowering& lowering) {
  return [weight = lowering.weights.vector(op.weight), epsilon = op.epsilon, input = node.inputs[0],
          output = node.outputs[0]](Frame& frame) {
    const View x = frame.values[input];
    const View y = frame.values[output];
    for_rows(x.rows, x.columns, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        kernels::rms_norm(x.row(r), weight, epsilon, x.columns, y.row(r));
    });
  };
}

}  // namespace mm_orch::torch_backend
