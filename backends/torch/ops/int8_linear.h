// Products in int8 (kernels/int8.h) by all threads.
#pragma once

#include <vector>

#include "frame.h"
#include "kernels/int8.h"
#include "weight_store.h"

namespace mm_orch::torch_backend {

/// Of `rows` rows, those that are multiplied together: rounded, they should stay in a core's L2
/// cache, as they are read again for every strip of the weight.
int64_t int8_rows_at_once(int64_t rows, int64_t columns);

/// Rows [first, first + count) of x, rounded, in `buffer`.
const kernels::Int8Group* to_int8(const View& x, int64_t first, int64_t count,
                                  std::vector<kernels::Int8Group>& buffer);

/// Rows [first, first + count) of y = x · weightᵀ + bias; x holds those rows of `weight.columns`.
void multiply_int8(const Matrix& weight, const float* bias, const kernels::Int8Group* x,
                   int64_t count, const View& y, int64_t first);

/// y = x · weightᵀ + bias, of a weight in strips.
void linear_int8(const Matrix& weight, const float* bias, const View& x, const View& y);

}  // namespace mm_orch::torch_backend
