// Weights as 8-bit integers: symmetric, one scale for each group of a row, in the
// form that OpenVINO's CPU plug-in computes without unpacking the whole matrix.
#pragma once

#include <functional>
#include <openvino/runtime/tensor.hpp>

#include "graph/graph.h"

namespace mm_orch::openvino {

using MakeTensor = std::function<ov::Tensor(ov::element::Type, const ov::Shape&)>;
inline ov::Tensor heap_tensor(ov::element::Type type, const ov::Shape& shape) {
  return {type, shape};
}

struct QuantizedMatrix {
  ov::Tensor values;  // i8 [out, in], or [out, in/group, group]
  ov::Tensor scales;  // f32 [out, 1], or [out, in/group, 1]
};

/// w ≈ values · scales, with |values| <= 127 and scale = max|w| / 127 of each group. In groups of
/// 32 a weight stored as Q8_0 keeps its scales, and so is exact.
/// @param group_size  weights that share a scale; divides the row. 0: the whole row.
/// @param make        gives the memory of the result, as for the next two.
QuantizedMatrix quantize(const graph::Weight& weight, int64_t group_size,
                         const MakeTensor& make = heap_tensor);

/// The weight as f16, [out, in] or [n].
ov::Tensor to_half(const graph::Weight& weight, const MakeTensor& make = heap_tensor);

/// The weight as f32, [out, in] or [n].
ov::Tensor to_float(const graph::Weight& weight, const MakeTensor& make = heap_tensor);

}  // namespace mm_orch::openvino
