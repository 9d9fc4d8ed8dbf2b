#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/gelu.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/relu.hpp>
#include <openvino/op/swish.hpp>
#include <openvino/op/tanh.hpp>
#include <openvino/op/variadic_split.hpp>

#include "lowering/lowering.h"

namespace mm_orch::openvino {

using std::make_shared;

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Split& op) {
  const auto split = make_shared<ov::op::v1::VariadicSplit>(
      lowering.value(node.inputs[0]), ov::op::v0::Constant::create(ov::element::i64, {}, {-1}),
      constant_i64(op.sizes));
  split->set_friendly_name(node.name);
  for (size_t i = 0; i < node.outputs.size(); ++i)
    lowering.set_value(node.outputs[i], split->output(i));
}

template <class Operation>
static void lower_binary(Lowering& lowering, const graph::Node& node) {
  const auto result =
      make_shared<Operation>(lowering.value(node.inputs[0]), lowering.value(node.inputs[1]));
  result->set_friendly_name(node.name);
  lowering.set_value(node.outputs[0], result);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Add&) {
  lower_binary<ov::op::v1::Add>(lowering, node);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Multiply&) {
  lower_binary<ov::op::v1::Multiply>(lowering, node);
}

template <class Operation, class... Arguments>
static void lower_unary(Lowering& lowering, const graph::Node& node, Arguments... arguments) {
  const auto result = make_shared<Operation>(lowering.value(node.inputs[0]), arguments...);
  result->set_friendly_name(node.name);
  lowering.set_value(node.outputs[0], result);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Silu&) {
  lower_unary<ov::op::v4::Swish>(lowering, node);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Relu&) {
  lower_unary<ov::op::v0::Relu>(lowering, node);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Tanh&) {
  lower_unary<ov::op::v0::Tanh>(lowering, node);
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Scale& op) {
  lower_unary<ov::op::v1::Multiply>(lowering, node, constant_f32(op.factor));
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Gelu& op) {
  const auto mode = op.tanh_approximation ? ov::op::GeluApproximationMode::TANH
                                          : ov::op::GeluApproximationMode::ERF;
  lower_unary<ov::op::v7::Gelu>(lowering, node, mode);
}

}  // namespace mm_orch::openvino
