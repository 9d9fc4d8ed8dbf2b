// One small function per operation: from a node to a step that computes it.
#pragma once

#include <vector>

#include "frame.h"
#include "graph/graph.h"
#include "program.h"
#include "weight_store.h"

namespace mm_orch::torch_backend {

struct Lowering {
  const graph::Graph& graph;
  const WeightStore& weights;
  Part& part;  // its tables grow by those not yet in it
};

/// An empty step where nothing is to be computed (inputs, Split).
Step lower(const graph::Node& node, Lowering& lowering);

Step lower_embedding(const graph::Embedding& op, const graph::Node& node, Lowering& lowering);
Step lower_linear(const graph::Linear& op, const graph::Node& node, Lowering& lowering);
/// The nodes that a gated MLP takes from the node `first` on; 0 where there is none.
size_t gated_mlp_at(const graph::Graph& graph, size_t first);
Step lower_gated_mlp(const graph::Node* nodes, Lowering& lowering);
Step lower_layer_norm(const graph::LayerNorm& op, const graph::Node& node, Lowering& lowering);
Step lower_rms_norm(const graph::RmsNorm& op, const graph::Node& node, Lowering& lowering);
Step lower_rope(const graph::Rope& op, const graph::Node& node, Lowering& lowering);
Step lower_attention(const graph::Attention& attention, const graph::Node& node,
                     Lowering& lowering);
Step lower_encoder_attention(const graph::EncoderAttention& op, const graph::Node& node,
                             Lowering& lowering);
Step lower_cross_attention(const graph::CrossAttention& op, const graph::Node& node);
/// The encoder's part of cross attention: keys and values laid out for the decoder's.
Step pack_source(const graph::CrossAttention& op, const graph::Node& node);
Step lower_add(const graph::Node& node);
Step lower_multiply(const graph::Node& node);
Step lower_silu(const graph::Node& node);
Step lower_gelu(const graph::Gelu& op, const graph::Node& node);
Step lower_relu(const graph::Node& node);
Step lower_tanh(const graph::Node& node);
Step lower_scale(const graph::Scale& op, const graph::Node& node);

/// What an Embedding's indices are.
enum class IndexSource { kTokens, kPositions, kTypes };
IndexSource index_source(const graph::Graph& graph, graph::ValueId ids);

/// The index of the table in part.relative_tables; −1 where there is none.
int64_t relative_table(const graph::RelativePosition& relative, bool bidirectional,
                       Lowering& lowering);

/// y = x · weightᵀ + bias (null: none), by whichever way is fastest for the number of rows.
void apply_linear(const Matrix& weight, const float* bias, Precision precision, const View& x,
                  const View& y);

/// Fills `table` for the tokens at `positions`.
void fill_rope_table(const graph::Rope& op, const std::vector<int64_t>& positions,
                     RopeTable& table);

}  // namespace mm_orch::torch_backend
