#include <cstring>

#include "ops/lowering.h"

namespace mm_orch::torch_backend {
namespace {

bool reads_positions(const graph::Graph& graph, graph::ValueId input) {
  for (const auto& node : graph.nodes)
    if (!node.outputs.empty() && node.outputs[0] == input)
      return std::holds_alternative<graph::Positions>(node.op);
  return false;
}

}  // namespace

Step lower_embedding(const graph::Embedding& op, const graph::Node& node, Lowering& lowering) {
  return [table = lowering.weights.data(op.weight), output = node.outputs[0],
          positions = reads_positions(lowering.graph, node.inputs[0])](Frame& frame) {
    const int64_t* indices = positions ? frame.positions.data() : frame.ids.data();
    const View y = frame.values[output];
    const auto bytes = static_cast<size_t>(y.columns) * sizeof(float);
    for (int64_t r = 0; r < y.rows; ++r)
      std::memcpy(y.row(r), table + indices[r] * y.columns, bytes);
  };
}

}  // namespace mm_orch::torch_backend
