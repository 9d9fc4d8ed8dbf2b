#include "weight_constants.h"

#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/reshape.hpp>

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
  const bool grouped = columns % kGroupSize == 0 && columns > kGroupSize;
  const auto quantized = quantize(weight, grouped ? kGroupSize : 0, make_);
  const auto constant = std::make_shared<Constant>(quantized.values);
  constant->set_friendly_name(weight.name);
  const auto convert = std::make_shared<Convert>(constant, ov::element::f32);
  const auto scaled =
      std::make_shared<ov::op::v1::Multiply>(convert, std::make_shared<Constant>(quantized.scales));
  if (!grouped) return scaled;
  return std::make_shared<ov::op::v1::Reshape>(
      scaled, Constant::create(ov::element::i64, {2}, weight.shape), false);
}

const graph::Weight& WeightConstants::weight(graph::WeightId id) const {
  return graph_.weights.at(static_cast<size_t>(id));
}

WeightConstants::Matrix WeightConstants::make_matrix(const graph::Weight& weight) const {
  switch (precision_) {
    case backend::Precision::kFP16:
      return {half_constant(weight), false};
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
  const Matrix made = make_matrix(weight(id));
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
