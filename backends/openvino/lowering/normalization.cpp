#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/divide.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/mvn.hpp>
#include <openvino/op/power.hpp>
#include <openvino/op/reduce_mean.hpp>
#include <openvino/op/sqrt.hpp>

#include "lowering/lowering.h"

namespace mm_orch::openvino {

using ov::op::v1::Add;
using ov::op::v1::Multiply;
using std::make_shared;

void lower_op(Lowering& lowering, const graph::Node& node, const graph::LayerNorm& op) {
  const auto normalized = make_shared<ov::op::v6::MVN>(
      lowering.value(node.inputs[0]), constant_i64({-1}), /*normalize_variance=*/true, op.epsilon,
      ov::op::MVNEpsMode::INSIDE_SQRT);
  normalized->set_friendly_name(node.name);
  Value result = make_shared<Multiply>(normalized, lowering.weights().vector(op.weight));
  if (op.bias != graph::kNone)
    result = make_shared<Add>(result, lowering.weights().vector(op.bias));
  lowering.set_value(node.outputs[0], result);
}

// The textbook form, which the CPU plug-in fuses into one RMS node.
void lower_op(Lowering& lowering, const graph::Node& node, const graph::RmsNorm& op) {
  const Value x = lowering.value(node.inputs[0]);
  const auto square = make_shared<ov::op::v1::Power>(x, constant_f32(2));
  const auto mean = make_shared<ov::op::v1::ReduceMean>(square, constant_i64({-1}), true);
  const auto root = make_shared<ov::op::v0::Sqrt>(make_shared<Add>(mean, constant_f32(op.epsilon)));
  const auto inverse = make_shared<ov::op::v1::Divide>(constant_f32(1), root);
  const auto normalized = make_shared<Multiply>(x, inverse);
  const auto result = make_shared<Multiply>(lowering.weights().vector(op.weight), normalized);
  result->set_friendly_name(node.name);
  lowering.set_value(node.outputs[0], result);
}

}  // namespace mm_orch::openvino
