#include "lowering/lowering.h"

#include <openvino/core/model.hpp>
#include <openvino/op/add.hpp>
#include <openvino/op/concat.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/cos.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/greater.hpp>
#include <openvino/op/less_eq.hpp>
#include <openvino/op/logical_and.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/range.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/result.hpp>
#include <openvino/op/select.hpp>
#include <openvino/op/shape_of.hpp>
#include <openvino/op/sin.hpp>
#include <openvino/op/squeeze.hpp>
#include <openvino/op/subtract.hpp>
#include <openvino/op/transpose.hpp>
#include <openvino/op/unsqueeze.hpp>

namespace mm_orch::openvino {
namespace {

using ov::op::v0::Constant;
using ov::op::v0::Convert;
using ov::op::v0::Unsqueeze;
using std::make_shared;

// Finite, so that a row with nothing to look at (padding) stays finite too; exp() of it is 0.
constexpr float kMasked = -1e9f;

std::shared_ptr<ov::op::v0::Parameter> parameter(const std::string& name, ov::element::Type type,
                                                 const ov::PartialShape& shape) {
  auto result = make_shared<ov::op::v0::Parameter>(type, shape);
  result->set_friendly_name(name);
  result->output(0).set_names({name});
  return result;
}

Value dimension(const Value& value, int64_t axis) {  // i64 [1]
  return make_shared<ov::op::v8::Gather>(make_shared<ov::op::v3::ShapeOf>(value),
                                         constant_i64({axis}),
                                         Constant::create(ov::element::i64, {}, {0}));
}

Value scalar(const Value& one_element) {
  return make_shared<ov::op::v0::Squeeze>(one_element, constant_i64({0}));
}

Value range(const Value& begin, const Value& end) {
  return make_shared<ov::op::v4::Range>(begin, end, Constant::create(ov::element::i64, {}, {1}),
                                        ov::element::i64);
}

}  // namespace

Value constant_i64(const std::vector<int64_t>& values) {
  return Constant::create(ov::element::i64, {values.size()}, values);
}

Value constant_f32(float value) { return Constant::create(ov::element::f32, {}, {value}); }

Lowering::Lowering(const graph::Graph& graph, WeightConstants& weights)
    : graph_(graph),
      weights_(weights),
      input_ids_(parameter("input_ids", ov::element::i64, {-1, -1})),
      attention_mask_(parameter("attention_mask", ov::element::i64, {-1, -1})),
      position_ids_(parameter("position_ids", ov::element::i64, {-1, -1})),
      beam_idx_(parameter("beam_idx", ov::element::i32, {-1})) {}

Value Lowering::value(graph::ValueId id) {
  if (const auto found = values_.find(id); found != values_.end()) return found->second;
  const auto flat = make_shared<ov::op::v1::Transpose>(heads_.at(id), constant_i64({0, 2, 1, 3}));
  const int64_t width = graph_.last_axis.at(static_cast<size_t>(id));
  const auto result =
      make_shared<ov::op::v1::Reshape>(flat, constant_i64({0, 0, width}), /*special_zero=*/true);
  values_[id] = result;
  return result;
}

Value Lowering::heads(graph::ValueId id, int64_t head_size) {
  if (const auto found = heads_.find(id); found != heads_.end()) return found->second;
  const int64_t count = graph_.last_axis.at(static_cast<size_t>(id)) / head_size;
  const auto split = make_shared<ov::op::v1::Reshape>(
      value(id), constant_i64({0, 0, count, head_size}), /*special_zero=*/true);
  const auto result = make_shared<ov::op::v1::Transpose>(split, constant_i64({0, 2, 1, 3}));
  heads_[id] = result;
  return result;
}

void Lowering::set_value(graph::ValueId id, Value value) { values_[id] = std::move(value); }
void Lowering::set_heads(graph::ValueId id, Value heads) { heads_[id] = std::move(heads); }

Value Lowering::batch_size() {
  if (!batch_size_.get_node()) batch_size_ = dimension(input_ids_, 0);
  return batch_size_;
}

Value Lowering::sequence_length() {
  if (!sequence_length_.get_node()) sequence_length_ = dimension(attention_mask_, 1);
  return sequence_length_;
}

Value Lowering::attention_bias(int64_t window) {
  if (const auto found = attention_bias_.find(window); found != attention_bias_.end())
    return found->second;
  const Value total = scalar(sequence_length());
  const Value fed = scalar(dimension(input_ids_, 1));
  const auto past = make_shared<ov::op::v1::Subtract>(total, fed);
  const auto key = make_shared<Unsqueeze>(range(Constant::create(ov::element::i64, {}, {0}), total),
                                          constant_i64({0}));                        // [1, S]
  const auto query = make_shared<Unsqueeze>(range(past, total), constant_i64({1}));  // [T, 1]
  Value visible = make_shared<ov::op::v1::LessEqual>(key, query);                    // [T, S]
  if (window > 0) {
    const auto oldest =
        make_shared<ov::op::v1::Subtract>(query, Constant::create(ov::element::i64, {}, {window}));
    visible =
        make_shared<ov::op::v1::LogicalAnd>(visible, make_shared<ov::op::v1::Greater>(key, oldest));
  }
  const auto present = make_shared<Unsqueeze>(
      make_shared<Convert>(attention_mask_, ov::element::boolean), constant_i64({1, 2}));
  visible = make_shared<ov::op::v1::LogicalAnd>(visible, present);  // [B, 1, T, S]
  const auto bias =
      make_shared<ov::op::v1::Select>(visible, constant_f32(0), constant_f32(kMasked));
  attention_bias_[window] = bias;
  return bias;
}

Lowering::Rotation Lowering::rotation(const graph::Rope& rope) {
  const auto key = std::pair(rope.inverse_frequencies, rope.attention_factor);
  if (const auto found = rotations_.find(key); found != rotations_.end()) return found->second;
  const auto frequencies = Constant::create(
      ov::element::f32, {1, 1, rope.inverse_frequencies.size()}, rope.inverse_frequencies);
  const auto position = make_shared<Unsqueeze>(
      make_shared<Convert>(position_ids_, ov::element::f32), constant_i64({2}));  // [B, T, 1]
  const auto half = make_shared<ov::op::v1::Multiply>(position, frequencies);
  const auto angles = make_shared<ov::op::v0::Concat>(ov::OutputVector{half, half}, -1);
  const auto finish = [&](Value value) -> Value {
    if (rope.attention_factor != 1.0f)
      value = make_shared<ov::op::v1::Multiply>(value, constant_f32(rope.attention_factor));
    return make_shared<Unsqueeze>(value, constant_i64({1}));
  };
  const Rotation result{finish(make_shared<ov::op::v0::Cos>(angles)),
                        finish(make_shared<ov::op::v0::Sin>(angles))};
  rotations_[key] = result;
  return result;
}

void Lowering::keep_state(std::shared_ptr<ov::op::util::Variable> variable,
                          std::shared_ptr<ov::op::Sink> assign) {
  variables_.push_back(std::move(variable));
  sinks_.push_back(std::move(assign));
}

std::shared_ptr<ov::Model> Lowering::finish() {
  const Value logits = value(graph_.logits);
  logits.get_node()->output(logits.get_index()).set_names({"logits"});
  const auto result = make_shared<ov::op::v0::Result>(logits);
  result->set_friendly_name("logits");
  return make_shared<ov::Model>(
      ov::ResultVector{result}, sinks_,
      ov::ParameterVector{input_ids_, attention_mask_, position_ids_, beam_idx_}, variables_,
      graph_.info.architecture);
}

}  // namespace mm_orch::openvino
