// Weights as 4-bit integers, in the forms that OpenVINO's CPU plug-in multiplies with activations
// in 8 bits, without unpacking: a scale and an integer zero point for each group of a row.
//
// GGUF's blocks have minimums, that is zero points between the integers. What such a zero point
// lacks to the nearest integer is the same for all weights of a group, so that it multiplies the
// sum of the group's inputs: a few more columns of 4 bits, one for each group, whose inputs are
// sums.
#pragma once

#include <openvino/runtime/tensor.hpp>

#include "graph/graph.h"
#include "quantization.h"

namespace mm_orch::openvino {

struct FourBitMatrix {
  ov::Tensor values;        // u4 [out, groups, group]; i4 where there are no zero points
  ov::Tensor zero_points;   // u8 [out, groups, 1]; empty: none
  ov::Tensor scales;        // f32 [out, groups, 1]
  int64_t sum_columns = 0;  // the last columns of each row that take sums of groups; the first
                            // in/group of them count, the others are 0
};

/// w ≈ (values − zero_points) · scales, of least squared error as far as a search over ranges finds
/// it.
/// @param group_size  weights that share a scale: even, divides the row.
FourBitMatrix quantize_to_four_bits(const graph::Weight& weight, int64_t group_size,
                                    const MakeTensor& make = heap_tensor);

/// Whether its groups of 32 take 16 evenly spaced values each: by the type of stored blocks
/// (graph::grid_bits), or, of floats, by looking at all of them. So do files that were dequantised.
bool has_four_bits(const graph::Weight& weight);

/// A weight that has four bits, in groups of 32. Exact for Q4_0; for others exact but for the sum
/// columns, of which a value is off by less than a thirtieth of the largest.
FourBitMatrix keep_four_bits(const graph::Weight& weight, const MakeTensor& make = heap_tensor);

}  // namespace mm_orch::openvino
