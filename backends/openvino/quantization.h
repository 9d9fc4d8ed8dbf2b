// Weights as 8-bit integers: symmetric, one scale for each group of a row, in the
// form that OpenVINO's CPU plug-in computes without unpacking the whole matrix.
#pragma once

#include <openvino/runtime/tensor.hpp>

#include "graph/graph.h"

namespace mm_orch::openvino {

struct QuantizedMatrix {
  ov::Tensor values;  // i8 [out, in], or [out, in/group, group]
  ov::Tensor scales;  // f32 [out, 1], or [out, in/group, 1]
};

/// w ≈ values · scales, with |values| <= 127 and scale = max|w| / 127 of each group.
/// @param group_size  weights that share a scale; divides the row. 0: the whole row.
QuantizedMatrix quantize(const graph::Weight& weight, int64_t group_size);

/// The weight as f16, [out, in] or [n].
ov::Tensor to_half(const graph::Weight& weight);

/// The weight as f32, [out, in] or [n].
ov::Tensor to_float(const graph::Weight& weight);

}  // namespace mm_orch::openvino
