// Rows of a weight as they are stored, and their expansion to floats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace mm_orch::torch_backend::kernels {

struct Rows {
  const std::byte* data = nullptr;
  int64_t row_bytes = 0;
  DType dtype = DType::kF32;

  const std::byte* row(int64_t r) const { return data + r * row_bytes; }
};

/// True if the kernels read rows of `columns` elements of `dtype` as they are.
bool can_read(DType dtype, int64_t columns);
/// Bytes of a row of `columns` elements, a whole number of blocks.
int64_t row_bytes(DType dtype, int64_t columns);

/// Rows [first, first + count) as float32 [count, columns].
void expand(const Rows& rows, int64_t first, int64_t count, int64_t columns, float* out);
/// n floats to bfloat16, rounded to the nearest, ties to even.
void round_to_bf16(const float* x, int64_t n, uint16_t* out);

}  // namespace mm_orch::torch_backend::kernels
