// Attention of one query over the cached keys and values of its head, and its middle alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace mm_orch::torch_backend::kernels {

/// Keys and values of a head, rows of D elements, `block_tokens` of them in a block.
struct CachedHead {
  const std::byte* keys;  // of block 0
  const std::byte* values;
  DType dtype;            // kF32 or kBF16
  const int32_t* blocks;  // those of the sequence, in order of its tokens
  int64_t block_bytes;    // from a block to the next
  int64_t block_tokens;
};

/// out [D] = softmax(scale · keys · q + bias) · values, of the tokens [first, first + count).
/// @param bias    [count]; null: none.
/// @param scores  room for `count` floats, rounded up to a multiple of 16.
/// With count 0, out is zero.
void attend(const float* q, const CachedHead& head, int64_t first, int64_t count, int64_t head_size,
            float scale, const float* bias, float* scores, float* out);

/// scores become softmax(scale · scores + bias), bias [count] or null; count > 0. Those after them
/// up to a multiple of 16 are overwritten with 0.
void softmax(float* scores, int64_t count, float scale, const float* bias);

}  // namespace mm_orch::torch_backend::kernels
