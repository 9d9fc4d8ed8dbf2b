// Stored elements → float32: plain types are converted, ggml's block types
// dequantised with the same order of operations as ggml, so the result is the same
// to the last bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "weights/tensor.h"

namespace mm_orch::weights {

/// Decodes elements [first, first + count) of a run of elements.
/// @param data  start of the run (element 0); needs no alignment.
/// @param out   float32 [count].
/// Source of the block layouts: ggml-common.h, ggml-quants.c (ggml, MIT).
void decode_elements(DType dtype, const std::byte* data, int64_t first, int64_t count, float* out);

/// As decode_elements, but the grids of groups [first, first + count). The type is kQ8_0, kQ4_0,
/// kQ4_1 or kQ4_K.
void decode_grids(DType dtype, const std::byte* data, int64_t first, int64_t count, Grid* out);

}  // namespace mm_orch::weights
