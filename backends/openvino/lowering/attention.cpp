// Attention over a layer's KV cache, shaped so that the CPU plug-in fuses it with the
// cache: ReadValue → Gather(beam_idx) → Concat → [Unsqueeze → Broadcast → Reshape] →
// ScaledDotProductAttention, the Concat read by that chain and Assign alone.
#include <fmt/format.h>

#include <openvino/op/assign.hpp>
#include <openvino/op/broadcast.hpp>
#include <openvino/op/concat.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/read_value.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/scaled_dot_product_attention.hpp>
#include <openvino/op/transpose.hpp>
#include <openvino/op/unsqueeze.hpp>

#include "lowering/lowering.h"

namespace mm_orch::openvino {
namespace {

using ov::op::v0::Concat;
using ov::op::v0::Constant;
using std::make_shared;

// Appends `fresh` [B, K, T, D] to the variable's content and returns all of it, [B, K, S, D].
Value append_to_cache(Lowering& lowering, const graph::Attention& op, const std::string& kind,
                      const Value& fresh) {
  const ov::PartialShape shape{-1, op.kv_heads, -1, op.head_size};
  const auto variable = make_shared<ov::op::util::Variable>(ov::op::util::VariableInfo{
      shape, ov::element::f32,
      fmt::format("past_key_values.{0}.{1}present.{0}.{1}", op.layer, kind)});
  const auto empty_shape = make_shared<Concat>(
      ov::OutputVector{lowering.batch_size(), constant_i64({op.kv_heads, 0, op.head_size})}, 0);
  const auto empty = make_shared<ov::op::v3::Broadcast>(constant_f32(0), empty_shape);
  const auto read = make_shared<ov::op::v6::ReadValue>(empty, variable);
  const auto past = make_shared<ov::op::v8::Gather>(read, lowering.beam_idx(),
                                                    Constant::create(ov::element::i64, {}, {0}));
  lowering.set_past(past);
  const auto present = make_shared<Concat>(ov::OutputVector{past, fresh}, 2);
  lowering.keep_state(variable, make_shared<ov::op::v6::Assign>(present, variable));
  return present;
}

// Each key/value head is read by `repeats` query heads. The target shape comes from the attention
// mask, since another reader of `cache` would prevent the fusion.
Value repeat_heads(Lowering& lowering, const graph::Attention& op, const Value& cache) {
  const int64_t repeats = op.heads / op.kv_heads;
  if (repeats == 1) return cache;
  const auto target = make_shared<Concat>(
      ov::OutputVector{lowering.batch_size(), constant_i64({op.kv_heads, repeats}),
                       lowering.sequence_length(), constant_i64({op.head_size})},
      0);
  const auto repeated = make_shared<ov::op::v3::Broadcast>(
      make_shared<ov::op::v0::Unsqueeze>(cache, constant_i64({2})), target,
      ov::op::BroadcastType::BIDIRECTIONAL);
  return make_shared<ov::op::v1::Reshape>(repeated, constant_i64({0, op.heads, -1, op.head_size}),
                                          /*special_zero=*/true);
}

}  // namespace

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Attention& op) {
  const Value query = lowering.heads(node.inputs[0], op.head_size);
  const Value key =
      append_to_cache(lowering, op, "key", lowering.heads(node.inputs[1], op.head_size));
  const Value value =
      append_to_cache(lowering, op, "value", lowering.heads(node.inputs[2], op.head_size));
  const auto attention = make_shared<ov::op::v13::ScaledDotProductAttention>(
      query, repeat_heads(lowering, op, key), repeat_heads(lowering, op, value),
      lowering.attention_bias(op.window, op.relative), constant_f32(op.scale), /*causal=*/false);
  attention->set_friendly_name(node.name);
  lowering.set_heads(node.outputs[0], attention);
}

// Without a cache: over the source, which is the same at every step.
template <class Operation>
static void attend(Lowering& lowering, const graph::Node& node, const Operation& op,
                   const Value& bias) {
  const auto attention = make_shared<ov::op::v13::ScaledDotProductAttention>(
      lowering.heads(node.inputs[0], op.head_size), lowering.heads(node.inputs[1], op.head_size),
      lowering.heads(node.inputs[2], op.head_size), bias, constant_f32(op.scale),
      /*causal=*/false);
  attention->set_friendly_name(node.name);
  lowering.set_heads(node.outputs[0], attention);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::EncoderAttention& op) {
  attend(lowering, node, op, lowering.encoder_attention_bias(op.relative));
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::CrossAttention& op) {
  attend(lowering, node, op, lowering.cross_attention_bias());
}

}  // namespace mm_orch::openvino
