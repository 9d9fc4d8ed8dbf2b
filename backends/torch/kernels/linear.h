// x · weightᵀ for a handful of rows, bound by reading the weight once.
#pragma once

#include "kernels/rows.h"

namespace mm_orch::torch_backend::kernels {

struct LinearArgs {
  const float* x;  // [rows, in], rows x_stride apart
  int64_t x_stride;
  Rows weight;        // [out, in], which can_read
  const float* bias;  // [out] or null
  float* y;           // [rows, out], rows y_stride apart
  int64_t y_stride;
  int64_t rows;
  int64_t in;
};

/// Fills columns [first, last) of y. Products and sums are float32, whatever the weight's type.
void linear(const LinearArgs& args, int64_t first, int64_t last);

}  // namespace mm_orch::torch_backend::kernels
