#include "lowering/lower.h"

#include <fmt/format.h>

#include "lowering/lowering.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {

std::shared_ptr<ov::Model> lower(const graph::Graph& graph, backend::Precision precision,
                                 const backend::Progress& progress) {
  WeightConstants weights(graph, precision, progress);
  Lowering lowering(graph, weights);
  for (const auto& node : graph.nodes)
    translate<ModelLoadError>(
        fmt::format("Cannot lower {} '{}' to OpenVINO", graph::op_name(node.op), node.name),
        {.backend = kBackendName},
        [&] { std::visit([&](const auto& op) { lower_op(lowering, node, op); }, node.op); });
  return lowering.finish();
}

}  // namespace mm_orch::openvino
