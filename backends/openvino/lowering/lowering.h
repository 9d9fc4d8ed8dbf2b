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
  using Parameter = std::shared_ptr<ov::op::v0::Parameter>;

  /// @param side  of the graph that becomes a model of its own.
  Lowering(const graph::Graph& graph, WeightConstants& weights, graph::Side side);

  WeightConstants& weights() { return weights_; }
  const Parameter& input_ids() const { return input_ids_; }
  const Parameter& beam_idx() const { return beam_idx_; }
  const Parameter& token_type_ids();
  Value positions();  // i64 [B, T], or [1, E]

  Value value(graph::ValueId id);                     // [B, T, n]
  Value heads(graph::ValueId id, int64_t head_size);  // [B, n/D, T, D]
  void set_value(graph::ValueId id, Value value);
  void set_heads(graph::ValueId id, Value heads);

  Value batch_size();       // i64 [1]: B
  Value sequence_length();  // i64 [1]: S
  /// What the cache held before, [B, K, S − T, D]; it tells S where no mask does.
  void set_past(const Value& past);
  /// Added to attention scores, f32 [B or 1, N or 1, T, S]: 0, or the bias of the relative
  /// position, where a token may look, else kMasked.
  Value attention_bias(int64_t window, const graph::RelativePosition& relative);
  /// The same among source tokens [.., E, E], and from new tokens to them [B, 1, 1, E].
  Value encoder_attention_bias(const graph::RelativePosition& relative);
  Value cross_attention_bias();

  struct Rotation {
    Value cosine;  // f32 [B, 1, T, D]
    Value sine;
  };
  Rotation rotation(const graph::Rope& rope);

  void keep_state(std::shared_ptr<ov::op::util::Variable> variable,
                  std::shared_ptr<ov::op::Sink> assign);
  std::shared_ptr<ov::Model> finish_decoder();
  std::shared_ptr<ov::Model> finish_encoder();

 private:
  Value causal(int64_t window);
  Value relative_bias(const graph::RelativePosition& relative, bool bidirectional,
                      const Value& query, const Value& key);
  Value padding_bias(const Parameter& mask);

  const graph::Graph& graph_;
  WeightConstants& weights_;
  // Null where the model has no such input.
  Parameter input_ids_, attention_mask_, position_ids_, beam_idx_, token_type_ids_,
      encoder_hidden_states_, encoder_attention_mask_;
  std::unordered_map<graph::ValueId, Value> values_;
  std::unordered_map<graph::ValueId, Value> heads_;
  std::map<std::pair<int64_t, graph::WeightId>, Value> attention_bias_;  // window, table
  std::map<graph::WeightId, Value> encoder_attention_bias_;              // table
  Value cross_attention_bias_;
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
void lower_op(Lowering& lowering, const graph::Node& node, const graph::TokenTypes& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Embedding& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Linear& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::LayerNorm& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::RmsNorm& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Rope& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Attention& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::EncoderAttention& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::CrossAttention& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Split& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Add& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Multiply& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Silu& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Gelu& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Relu& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Tanh& op);
void lower_op(Lowering& lowering, const graph::Node& node, const graph::Scale& op);

}  // namespace mm_orch::openvino
