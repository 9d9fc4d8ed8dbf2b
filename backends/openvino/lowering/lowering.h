// What the lowerings share while one graph becomes an ov::Model: the values made so
// far, the model's inputs, and nodes that every layer uses (masks, rotations).
//
// A value [B, T, n·D] may also exist split into heads, [B, n, T, D]: that is the form
// in which RoPE and attention are fused by the CPU plug-in.
#pragma once

#include <map>
#include <openvino/core/node_output.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/sink.hpp>
#include <openvino/op/util/variable.hpp>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/graph.h"
#include "weight_constants.h"

namespace mm_orch::openvino {

using Value = ov::Output<ov::Node>;

class Lowering {
 public:
  Lowering(const graph::Graph& graph, WeightConstants& weights);

  WeightConstants& weights() { return weights_; }
  const std::shared_ptr<ov::op::v0::Parameter>& input_ids() const { return input_ids_; }
  const std::shared_ptr<ov::op::v0::Parameter>& position_ids() const { return position_ids_; }
  const std::shared_ptr<ov::op::v0::Parameter>& beam_idx() const { return beam_idx_; }

  Value value(graph::ValueId id);                     // [B, T, n]
  Value heads(graph::ValueId id, int64_t head_size);  // [B, n/D, T, D]
  void set_value(graph::ValueId id, Value value);
  void set_heads(graph::ValueId id, Value heads);

  Value batch_size();       // i64 [1]: B
  Value sequence_length();  // i64 [1]: S
  /// Added to attention scores, f32 [B, 1, T, S]: 0 where a token may look, else kMasked.
  Value attention_bias(int64_t window);

  struct Rotation {
    Value cosine;  // f32 [B, 1, T, D]
    Value sine;
  };
  Rotation rotation(const graph::Rope& rope);

  void keep_state(std::shared_ptr<ov::op::util::Variable> variable,
                  std::shared_ptr<ov::op::Sink> assign);
  std::shared_ptr<ov::Model> finish();

 private:
  const graph::Graph& graph_;
  WeightConstants& weights_;
  std::shared_ptr<ov::op::v0::Parameter> input_ids_, attention_mask_, position_ids_, beam_idx_;
  std::unordered_map<graph::ValueId, Value> values_;
  std::unordered_map<graph::ValueId, Value> heads_;
  std::map<int64_t, Value> attention_bias_;
  std::map<std::pair<std::vector<float>, float>, Rotation> rotations_;
  Value batch_size_, sequence_length_;
  std::vector<std::shared_ptr<ov::op::util::Variable>> variables_;
  std::vector<std::shared_ptr<ov::op::Sink>> sinks_;
};

/// i64 [n].
Value constant_i64(const std::vector<int64_t>& values);
/// f32 scalar.
Value constant_f32(float value);

// One lowering per operation; each sets the node's outputs.
void lower_op(Lowering& lowering, const graph::Node& node, const graph::TokenIds& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Positions& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Embedding& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Linear& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::LayerNorm& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::RmsNorm& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Rope& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Attention& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Split& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Add& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Multiply& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Silu& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Gelu& op);

}  // namespace mm_orch::openvino
