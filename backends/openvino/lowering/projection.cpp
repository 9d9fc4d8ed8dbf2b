// Inputs, embeddings and projections.
#include <openvino/op/add.hpp>
#include <openvino/op/concat.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/matmul.hpp>
#include <openvino/op/reduce_sum.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/slice.hpp>
#include <openvino/op/transpose.hpp>
#include <openvino/op/unsqueeze.hpp>

#include "lowering/lowering.h"

namespace mm_orch::openvino {

using std::make_shared;

void lower_op(Lowering& lowering, const graph::Node& node, const graph::TokenIds&) {
  lowering.set_value(node.outputs[0], lowering.input_ids());
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Positions&) {
  lowering.set_value(node.outputs[0], lowering.positions());
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::TokenTypes&) {
  lowering.set_value(node.outputs[0], lowering.token_type_ids());
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Embedding& op) {
  const auto table = lowering.weights().matrix(op.weight);
  const auto axis = ov::op::v0::Constant::create(ov::element::i32, {}, {table.transposed ? 1 : 0});
  const auto ids =
      make_shared<ov::op::v0::Convert>(lowering.value(node.inputs[0]), ov::element::i32);
  const auto gather = make_shared<ov::op::v8::Gather>(table.value, ids, axis);
  gather->set_friendly_name(node.name);
  if (!table.transposed) return lowering.set_value(node.outputs[0], gather);
  lowering.set_value(node.outputs[0],
                     make_shared<ov::op::v1::Transpose>(gather, constant_i64({1, 2, 0})));
}

// [B, T, in] → [B, T, in + columns]: the sums of groups of 32 follow, as often as they fit.
static Value with_sums(const Value& input, int64_t columns) {
  const int64_t width = input.get_partial_shape()[2].get_length();
  const int64_t groups = width / weights::kGridElements;
  const auto grouped = make_shared<ov::op::v1::Reshape>(
      input, constant_i64({0, 0, groups, weights::kGridElements}), /*special_zero=*/true);
  const auto sums = make_shared<ov::op::v1::ReduceSum>(grouped, constant_i64({-1}), false);
  ov::OutputVector pieces = {input};
  for (; columns >= groups; columns -= groups) pieces.push_back(sums);
  if (columns > 0)
    pieces.push_back(make_shared<ov::op::v8::Slice>(
        sums, constant_i64({0}), constant_i64({columns}), constant_i64({1}), constant_i64({2})));
  return make_shared<ov::op::v0::Concat>(pieces, -1);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Linear& op) {
  const auto matrix = lowering.weights().matrix(op.weight);
  auto input = lowering.value(node.inputs[0]);
  if (matrix.sum_columns > 0) input = with_sums(input, matrix.sum_columns);
  const auto product = make_shared<ov::op::v0::MatMul>(input, matrix.value, false,
                                                       /*transpose_b=*/!matrix.transposed);
  product->set_friendly_name(node.name);
  if (op.bias == graph::kNone) return lowering.set_value(node.outputs[0], product);
  // [1, 1, out]: the rank that the CPU plug-in fuses into the projection.
  const auto bias =
      make_shared<ov::op::v0::Unsqueeze>(lowering.weights().vector(op.bias), constant_i64({0, 1}));
  const auto sum = make_shared<ov::op::v1::Add>(product, bias);
  sum->set_friendly_name(node.name + ".bias");
  lowering.set_value(node.outputs[0], sum);
}

}  // namespace mm_orch::openvino
