// Products of many rows in bfloat16, or in its parts (kernels/packed_linear.h), by all threads.
#pragma once

#include <vector>

#include "frame.h"
#include "kernels/packed_linear.h"
#include "weight_store.h"

namespace mm_orch::torch_backend {

/// Rows beyond which packed products are possible and faster.
int64_t most_unpacked_rows(Precision precision);

/// Of `rows` rows, those that are multiplied together: packed, they should stay in a core's L2
/// cache, as they are read again for every few rows of the weight. A multiple of 32, or all.
int64_t rows_at_once(int64_t rows, int64_t columns, int parts);

/// Rows [first, first + count) of x in `buffer`.
kernels::PackedRows pack(const View& x, int64_t first, int64_t count, int parts,
                         std::vector<uint16_t>& buffer);

/// Rows of y from `first` on = x · weightᵀ + bias.
void multiply_packed(const Matrix& weight, const float* bias, const kernels::PackedRows& x,
                     const View& y, int64_t first);

void linear_packed(const Matrix& weight, const float* bias, int parts, const View& x,
                   const View& y);

}  // namespace mm_orch::torch_backend
