// Attention of one query over the cached keys and values of its head, and its middle alone.
#pragma once

#include <cstdint>

namespace mm_orch::torch_backend::kernels {

/// out [D] = softmax(scale · keys · q + bias) · values.
/// @param keys, values  [count, D], contiguous.
/// @param bias          [count]; null: none.
/// @param scores        room for `count` floats, rounded up to a multiple of 16.
/// With count 0, out is zero.
void attend(const float* q, const float* keys, const float* values, int64_t count,
            int64_t head_size, float scale, const float* bias, float* scores, float* out);

/// scores become softmax(scale · scores + bias), bias [count] or null; count > 0. Those after them
/// up to a multiple of 16 are overwritten with 0.
void softmax(float* scores, int64_t count, float scale, const float* bias);

}  // namespace mm_orch::torch_backend::kernels
