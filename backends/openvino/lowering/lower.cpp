#include "lowering/lower.h"

#include <fmt/format.h>

#include "lowering/lowering.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {

namespace {

void lower_node(Lowering& lowering, const graph::Node& node) {
  translate<ModelLoadError>(
      fmt::format("Cannot lower {} '{}' to OpenVINO", graph::op_name(node.op), node.name),
      {.backend = kBackendName},
      [&] { std::visit([&](const auto& op) { lower_op(lowering, node, op); }, node.op); });
}

}  // namespace

Lowered lower(const graph::Graph& graph, backend::Precision precision,
              const backend::Progress& progress, const std::shared_ptr<ScratchFile>& scratch) {
  WeightConstants weights(graph, precision, progress, scratch);
  Lowered lowered;
  auto node = graph.nodes.begin();
  if (graph.hidden != graph::kNone) {
    Lowering encoder(graph, weights, graph::Side::kEncoder);
    for (bool done = false; !done; ++node) {
      lower_node(encoder, *node);
      done = node->outputs[0] == graph.hidden;
    }
    if (graph.info.kind == graph::ModelKind::kEncoder)
      for (; node != graph.nodes.end(); ++node) lower_node(encoder, *node);
    lowered.encoder = encoder.finish_encoder();
  }
  if (graph.info.kind == graph::ModelKind::kEncoder) return lowered;
  // What follows the encoder's output reads it as an input: projections of it too.
  Lowering decoder(graph, weights, graph::Side::kDecoder);
  for (; node != graph.nodes.end(); ++node) lower_node(decoder, *node);
  lowered.decoder = decoder.finish_decoder();
  return lowered;
}

}  // namespace mm_orch::openvino
