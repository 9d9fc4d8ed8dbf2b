#include "ops/lowering.h"

namespace mm_orch::torch_backend {

IndexSource index_source(const graph::Graph& graph, graph::ValueId ids) {
  for (const auto& node : graph.nodes) {
    if (node.outputs.empty() || node.outputs[0] != ids) continue;
    if (std::holds_alternative<graph::Positions>(node.op)) return IndexSource::kPositions;
    if (std::holds_alternative<graph::TokenTypes>(node.op)) return IndexSource::kTypes;
    break;
  }
  return IndexSource::kTokens;
}

static const int64_t* indices_of(const Frame& frame, IndexSource source) {
  switch (source) {
    case IndexSource::kPositions:
      return frame.positions.data();
    case IndexSource::kTypes:
      return frame.types.data();
    case IndexSource::kTokens:
      break;
  }
  return frame.ids.data();
}

Step lower_embedding(const graph::Embedding& op, const graph::Node& node, Lowering& lowering) {
  return [table = lowering.weights.matrix(op.weight).ranges[0].weight, output = node.outputs[0],
          source = index_source(lowering.graph, node.inputs[0])](Frame& frame) {
    const int64_t* indices = indices_of(frame, source);
    const View y = frame.values[output];
    for (int64_t r = 0; r < y.rows; ++r) {
      if (const auto* strips = std::get_if<kernels::Strips>(&table))
        kernels::expand(*strips, indices[r], y.columns, y.row(r));
      else
        kernels::expand(std::get<kernels::Rows>(table), indices[r], 1, y.columns, y.row(r));
    }
  };
}

}  // namespace mm_orch::torch_backend
