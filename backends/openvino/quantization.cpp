#include "quantization.h"

#include <algorithm>
#include <cmath>
#include <openvino/core/type/float16.hpp>
#include <vector>

#include "graph/weight_reader.h"
#include "row_blocks.h"

namespace mm_orch::openvino {
namespace {

float least_scale(std::span<const float> weights) {
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::abs(weight));
  return largest / 127.0f;
}

void quantize_group(std::span<const float> weights, float scale, int8_t* values) {
  const float inverse = scale != 0 ? 1.0f / scale : 0.0f;
  for (size_t i = 0; i < weights.size(); ++i)
    values[i] = static_cast<int8_t>(std::lrintf(weights[i] * inverse));
}

ov::Shape shape_of(const graph::Weight& weight) {
  return ov::Shape(weight.shape.begin(), weight.shape.end());
}

}  // namespace

QuantizedMatrix quantize(const graph::Weight& weight, int64_t group_size, const MakeTensor& make) {
  const auto rows = static_cast<size_t>(graph::row_count(weight));
  const auto columns = static_cast<size_t>(graph::column_count(weight));
  const size_t group = group_size > 0 ? static_cast<size_t>(group_size) : columns;
  const size_t groups = columns / group;
  const bool grouped = groups > 1;
  QuantizedMatrix result{
      make(ov::element::i8, grouped ? ov::Shape{rows, groups, group} : ov::Shape{rows, columns}),
      make(ov::element::f32, grouped ? ov::Shape{rows, groups, 1} : ov::Shape{rows, 1})};
  auto* values = result.values.data<int8_t>();
  auto* scales = result.scales.data<float>();
  const bool stored = group == weights::kGridElements && graph::grid_bits(weight) == 8;
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    const size_t first = static_cast<size_t>(first_row) * groups;
    std::vector<weights::Grid> grids(stored ? block.size() / group : 0);
    if (stored)
      graph::read_grids(weight, first_row, static_cast<int64_t>(block.size() / columns), grids);
    for (size_t g = 0; g * group < block.size(); ++g) {
      const auto elements = block.subspan(g * group, group);
      const float scale = stored ? grids[g].scale : least_scale(elements);
      scales[first + g] = scale;
      quantize_group(elements, scale, values + (first + g) * group);
    }
  });
  return result;
}

ov::Tensor to_half(const graph::Weight& weight, const MakeTensor& make) {
  ov::Tensor result = make(ov::element::f16, shape_of(weight));
  auto* half = result.data<ov::float16>();
  const int64_t columns = graph::column_count(weight);
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    std::transform(block.begin(), block.end(), half + first_row * columns,
                   [](float value) { return ov::float16(value); });
  });
  return result;
}

ov::Tensor to_float(const graph::Weight& weight, const MakeTensor& make) {
  ov::Tensor result = make(ov::element::f32, shape_of(weight));
  auto* values = result.data<float>();
  const int64_t columns = graph::column_count(weight);
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    std::copy(block.begin(), block.end(), values + first_row * columns);
  });
  return result;
}

}  // namespace mm_orch::openvino
