#include "weight_constants.h"

#include <algorithm>
#include <array>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/subtract.hpp>

#include "four_bits.h"
#include "graph/relative_position.h"
#include "graph/weight_reader.h"
#include "quantization.h"

namespace ov {
// Exported by libopenvino, but its header is not in the wheel. Marks a Convert so that plug-ins
// keep the half-precision constant before it.
OPENVINO_API void mark_as_decompression(const std::shared_ptr<Node>& node);
}  // namespace ov

namespace mm_orch::openvino {
namespace {

using ov::op::v0::Constant;
using ov::op::v0::Convert;

// Weights that share a scale, where it divides the row. On SmolLM2 it halves the KL divergence of
// one scale a row (0.0044 against 0.0091, bf16), at the same speed.
constexpr int64_t kGroupSize = 64;

// Of 4 bits: searched in groups of 64 the error is that of plain symmetric groups of 32 (GGUF's
// Q4_0), and the CPU plug-in needs two thirds of the time.
constexpr std::array<int64_t, 2> kFourBitGroups = {64, 32};

// Embeddings and the projection to the vocabulary or the classes lose most from 4 bits.
std::unordered_set<graph::WeightId> sensitive_weights(const graph::Graph& graph) {
  std::unordered_set<graph::WeightId> result;
  for (const auto& node : graph.nodes) {
    if (const auto* embedding = std::get_if<graph::Embedding>(&node.op))
      result.insert(embedding->weight);
    const auto* linear = std::get_if<graph::Linear>(&node.op);
    if (linear && (node.outputs[0] == graph.logits || node.outputs[0] == graph.class_logits))
      result.insert(linear->weight);
  }
  return result;
}

// Its group, or 0 where 4 bits are not possible.
int64_t four_bit_group(const graph::Weight& weight) {
  const int64_t columns = graph::column_count(weight);
  for (const int64_t group : kFourBitGroups)
    if (columns % group == 0 && columns > group) return group;
  return 0;
}

// f32 [out, in]: (values − zero_points) · scales.
ov::Output<ov::Node> scaled(const std::shared_ptr<Constant>& values, const ov::Tensor& zero_points,
                            const ov::Tensor& scales) {
  ov::Output<ov::Node> result = std::make_shared<Convert>(values, ov::element::f32);
  if (zero_points) {
    const auto zeros =
        std::make_shared<Convert>(std::make_shared<Constant>(zero_points), ov::element::f32);
    result = std::make_shared<ov::op::v1::Subtract>(result, zeros);
  }
  result = std::make_shared<ov::op::v1::Multiply>(result, std::make_shared<Constant>(scales));
  const auto& shape = values->get_shape();
  if (shape.size() == 2) return result;
  return std::make_shared<ov::op::v1::Reshape>(
      result,
      Constant::create(ov::element::i64, {2}, std::vector<size_t>{shape[0], shape[1] * shape[2]}),
      false);
}

// A single f32 tensor in file order is used where it lies, without a copy.
bool is_plain_f32(const graph::Weight& weight) {
  return weight.parts.size() == 1 && weight.parts[0].dtype == DType::kF32 &&
         weight.parts[0].interleaved_head_size == 0 &&
         reinterpret_cast<uintptr_t>(weight.parts[0].data.data()) % alignof(float) == 0;
}

}  // namespace

WeightConstants::WeightConstants(const graph::Graph& graph, backend::Precision precision,
                                 backend::Progress progress, std::shared_ptr<ScratchFile> scratch)
    : graph_(graph),
      precision_(precision),
      progress_(std::move(progress)),
      scratch_(std::move(scratch)) {
  if (precision_ == backend::Precision::kINT4) sort_by_bits();
  if (!scratch_) return;
  make_ = [this](ov::element::Type type, const ov::Shape& shape) {
    return scratch_->tensor(type, shape);
  };
}

ov::Output<ov::Node> WeightConstants::float_constant(const graph::Weight& weight) const {
  if (!is_plain_f32(weight)) return std::make_shared<Constant>(to_float(weight, make_));
  const auto& part = weight.parts[0];
  ov::Shape shape(weight.shape.begin(), weight.shape.end());
  if (weight.transposed) std::swap(shape[0], shape[1]);
  return std::make_shared<Constant>(ov::element::f32, shape, part.data.data(),
                                    std::const_pointer_cast<void>(part.owner));
}

ov::Output<ov::Node> WeightConstants::half_constant(const graph::Weight& weight) const {
  const auto constant = std::make_shared<Constant>(to_half(weight, make_));
  constant->set_friendly_name(weight.name);
  const auto convert = std::make_shared<Convert>(constant, ov::element::f32);
  ov::mark_as_decompression(convert);
  return convert;
}

ov::Output<ov::Node> WeightConstants::quantized_constant(const graph::Weight& weight) const {
  const int64_t columns = graph::column_count(weight);
  const int64_t group = graph::grid_bits(weight) == 8 ? weights::kGridElements : kGroupSize;
  const bool grouped = columns % group == 0 && columns > group;
  const auto quantized = quantize(weight, grouped ? group : 0, make_);
  const auto constant = std::make_shared<Constant>(quantized.values);
  constant->set_friendly_name(weight.name);
  return scaled(constant, {}, quantized.scales);
}

// Where a file has matrices of 4 bits, its maker left in more what is in more.
void WeightConstants::sort_by_bits() {
  eight_bits_ = sensitive_weights(graph_);
  std::vector<graph::WeightId> others;
  for (size_t i = 0; i < graph_.weights.size(); ++i) {
    const auto id = static_cast<graph::WeightId>(i);
    if (eight_bits_.contains(id)) continue;
    if (has_four_bits(graph_.weights[i]))
      four_bits_.insert(id);
    else
      others.push_back(id);
  }
  if (!four_bits_.empty()) eight_bits_.insert(others.begin(), others.end());
}

WeightConstants::Matrix WeightConstants::four_bit_matrix(graph::WeightId id) const {
  const auto& weight = this->weight(id);
  const auto quantized = four_bits_.contains(id)
                             ? keep_four_bits(weight, make_)
                             : quantize_to_four_bits(weight, four_bit_group(weight), make_);
  const auto constant = std::make_shared<Constant>(quantized.values);
  constant->set_friendly_name(weight.name);
  return {scaled(constant, quantized.zero_points, quantized.scales), false, quantized.sum_columns};
}

bool WeightConstants::takes_four_bits(graph::WeightId id) const {
  return !eight_bits_.contains(id) && four_bit_group(weight(id)) != 0;
}

const graph::Weight& WeightConstants::weight(graph::WeightId id) const {
  return graph_.weights.at(static_cast<size_t>(id));
}

WeightConstants::Matrix WeightConstants::make_matrix(graph::WeightId id) const {
  const auto& weight = this->weight(id);
  switch (precision_) {
    case backend::Precision::kFP16:
      return {half_constant(weight), false};
    case backend::Precision::kINT4:
      if (takes_four_bits(id)) return four_bit_matrix(id);
      [[fallthrough]];
    case backend::Precision::kINT8:
      return {quantized_constant(weight), false};
    case backend::Precision::kFP32:
      break;
  }
  return {float_constant(weight), weight.transposed && is_plain_f32(weight)};
}

WeightConstants::Matrix WeightConstants::matrix(graph::WeightId id) {
  const auto found = made_.find(id);
  if (found != made_.end()) return found->second;
  const Matrix made = make_matrix(id);
  made_.emplace(id, made);
  finished(weight(id));
  return made;
}

ov::Output<ov::Node> WeightConstants::vector(graph::WeightId id) {
  const auto found = made_.find(id);
  if (found != made_.end()) return found->second.value;
  const auto constant = float_constant(weight(id));
  made_.emplace(id, Matrix{constant, false});
  finished(weight(id));
  return constant;
}

ov::Output<ov::Node> WeightConstants::relative_bias(const graph::RelativePosition& relative,
                                                    bool bidirectional) {
  const auto found = made_.find(relative.table);
  if (found != made_.end()) return found->second.value;
  const auto values = graph::relative_bias(graph_, relative, bidirectional);
  const auto rows = static_cast<size_t>(2 * relative.max_distance + 1);
  const auto constant = Constant::create(ov::element::f32, {rows, values.size() / rows}, values);
  made_.emplace(relative.table, Matrix{constant, false});
  finished(weight(relative.table));
  return constant;
}

void WeightConstants::finished(const graph::Weight& weight) {
  if (scratch_) scratch_->settle();
  if (progress_)
    progress_(static_cast<int64_t>(made_.size()), static_cast<int64_t>(graph_.weights.size()),
              weight.name);
}

}  // namespace mm_orch::openvino
