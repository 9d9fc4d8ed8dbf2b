#include "lowering/lowering.h"

#include <openvino/core/model.hpp>
#include <openvino/op/add.hpp>
#include <openvino/op/clamp.hpp>
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

std::shared_ptr<ov::op::v0::Parameter> ids_parameter(const std::string& name) {
  return parameter(name, ov::element::i64, {-1, -1});
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

Value row(const Value& vector) { return make_shared<Unsqueeze>(vector, constant_i64({0})); }
Value column(const Value& vector) { return make_shared<Unsqueeze>(vector, constant_i64({1})); }

std::shared_ptr<ov::op::v0::Result> result(const std::string& name, const Value& value) {
  value.get_node()->output(value.get_index()).set_names({name});
  auto node = make_shared<ov::op::v0::Result>(value);
  node->set_friendly_name(name);
  return node;
}

}  // namespace

Value constant_i64(const std::vector<int64_t>& values) {
  return Constant::create(ov::element::i64, {values.size()}, values);
}

Value constant_f32(float value) { return Constant::create(ov::element::f32, {}, {value}); }

Lowering::Lowering(const graph::Graph& graph, WeightConstants& weights, graph::Side side)
    : graph_(graph), weights_(weights), input_ids_(ids_parameter("input_ids")) {
  if (side == graph::Side::kEncoder) {
    attention_mask_ = ids_parameter("attention_mask");
    return;
  }
  beam_idx_ = parameter("beam_idx", ov::element::i32, {-1});
  if (graph.hidden == graph::kNone) {
    attention_mask_ = ids_parameter("attention_mask");
    position_ids_ = ids_parameter("position_ids");
    return;
  }
  encoder_hidden_states_ =
      parameter("encoder_hidden_states", ov::element::f32, {-1, -1, graph.info.hidden_size});
  encoder_attention_mask_ = ids_parameter("encoder_attention_mask");
  values_[graph.hidden] = encoder_hidden_states_;
}

const Lowering::Parameter& Lowering::token_type_ids() {
  if (!token_type_ids_) token_type_ids_ = ids_parameter("token_type_ids");
  return token_type_ids_;
}

Value Lowering::positions() {
  if (position_ids_) return position_ids_;
  return make_shared<Unsqueeze>(
      range(Constant::create(ov::element::i64, {}, {0}), scalar(dimension(input_ids_, 1))),
      constant_i64({0}));
}

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

void Lowering::set_past(const Value& past) {
  if (attention_mask_ || sequence_length_.get_node()) return;
  sequence_length_ = make_shared<ov::op::v1::Add>(dimension(past, 2), dimension(input_ids_, 1));
}

// bool [T, S], or [B, 1, T, S] where a mask says what is padding.
Value Lowering::causal(int64_t window) {
  const Value total = scalar(sequence_length());
  const Value fed = scalar(dimension(input_ids_, 1));
  const auto past = make_shared<ov::op::v1::Subtract>(total, fed);
  const Value key = row(range(Constant::create(ov::element::i64, {}, {0}), total));  // [1, S]
  const Value query = column(range(past, total));                                    // [T, 1]
  Value visible = make_shared<ov::op::v1::LessEqual>(key, query);                    // [T, S]
  if (window > 0) {
    const auto oldest =
        make_shared<ov::op::v1::Subtract>(query, Constant::create(ov::element::i64, {}, {window}));
    visible =
        make_shared<ov::op::v1::LogicalAnd>(visible, make_shared<ov::op::v1::Greater>(key, oldest));
  }
  if (!attention_mask_) return visible;
  const auto present = make_shared<Unsqueeze>(
      make_shared<Convert>(attention_mask_, ov::element::boolean), constant_i64({1, 2}));
  return make_shared<ov::op::v1::LogicalAnd>(visible, present);
}

Value Lowering::attention_bias(int64_t window, const graph::RelativePosition& relative) {
  auto& bias = attention_bias_[{window, relative.table}];
  if (bias.get_node()) return bias;
  Value seen = constant_f32(0);
  if (relative.table != graph::kNone) {
    const Value total = scalar(sequence_length());
    const auto past = make_shared<ov::op::v1::Subtract>(total, scalar(dimension(input_ids_, 1)));
    seen = relative_bias(relative, false, range(past, total),
                         range(Constant::create(ov::element::i64, {}, {0}), total));
  }
  const Value visible = causal(window);
  bias = make_shared<ov::op::v1::Select>(visible, seen, constant_f32(kMasked));
  if (!attention_mask_ && relative.table == graph::kNone)
    bias = make_shared<Unsqueeze>(bias, constant_i64({0, 1}));
  return bias;
}

// f32 [1, N, T, S] for positions i64 [T] and [S].
Value Lowering::relative_bias(const graph::RelativePosition& relative, bool bidirectional,
                              const Value& query, const Value& key) {
  const auto limit = static_cast<double>(relative.max_distance);
  const auto distance = make_shared<ov::op::v1::Subtract>(row(key), column(query));
  const auto index =
      make_shared<ov::op::v1::Add>(make_shared<ov::op::v0::Clamp>(distance, -limit, limit),
                                   Constant::create(ov::element::i64, {}, {relative.max_distance}));
  const auto rows =
      make_shared<ov::op::v8::Gather>(weights_.relative_bias(relative, bidirectional), index,
                                      Constant::create(ov::element::i64, {}, {0}));  // [T, S, N]
  return make_shared<Unsqueeze>(make_shared<ov::op::v1::Transpose>(rows, constant_i64({2, 0, 1})),
                                constant_i64({0}));
}

// f32 [B, 1, 1, E].
Value Lowering::padding_bias(const Parameter& mask) {
  const auto present = make_shared<Unsqueeze>(make_shared<Convert>(mask, ov::element::boolean),
                                              constant_i64({1, 2}));
  return make_shared<ov::op::v1::Select>(present, constant_f32(0), constant_f32(kMasked));
}

Value Lowering::encoder_attention_bias(const graph::RelativePosition& relative) {
  auto& bias = encoder_attention_bias_[relative.table];
  if (bias.get_node()) return bias;
  bias = padding_bias(attention_mask_);
  if (relative.table == graph::kNone) return bias;
  const Value position =
      range(Constant::create(ov::element::i64, {}, {0}), scalar(dimension(input_ids_, 1)));
  bias = make_shared<ov::op::v1::Add>(bias, relative_bias(relative, true, position, position));
  return bias;
}

Value Lowering::cross_attention_bias() {
  if (!cross_attention_bias_.get_node())
    cross_attention_bias_ = padding_bias(encoder_attention_mask_);
  return cross_attention_bias_;
}

Lowering::Rotation Lowering::rotation(const graph::Rope& rope) {
  const auto key = std::pair(rope.inverse_frequencies, rope.attention_factor);
  if (const auto found = rotations_.find(key); found != rotations_.end()) return found->second;
  const auto frequencies = Constant::create(
      ov::element::f32, {1, 1, rope.inverse_frequencies.size()}, rope.inverse_frequencies);
  const auto position = make_shared<Unsqueeze>(make_shared<Convert>(positions(), ov::element::f32),
                                               constant_i64({2}));  // [B, T, 1]
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

std::shared_ptr<ov::Model> Lowering::finish_decoder() {
  ov::ParameterVector inputs;
  for (const auto& input : {input_ids_, attention_mask_, position_ids_, encoder_hidden_states_,
                            encoder_attention_mask_, beam_idx_})
    if (input) inputs.push_back(input);
  return make_shared<ov::Model>(ov::ResultVector{result("logits", value(graph_.logits))}, sinks_,
                                inputs, variables_, graph_.info.architecture);
}

std::shared_ptr<ov::Model> Lowering::finish_encoder() {
  ov::ParameterVector inputs{input_ids_, attention_mask_};
  if (token_type_ids_) inputs.push_back(token_type_ids_);
  ov::ResultVector results{result("last_hidden_state", value(graph_.hidden))};
  if (graph_.class_logits != graph::kNone)
    results.push_back(result(
        "logits", make_shared<ov::op::v8::Gather>(value(graph_.class_logits),
                                                  Constant::create(ov::element::i64, {}, {0}),
                                                  Constant::create(ov::element::i64, {}, {1}))));
  return make_shared<ov::Model>(results, inputs, graph_.info.architecture);
}

}  // namespace mm_orch::openvino
