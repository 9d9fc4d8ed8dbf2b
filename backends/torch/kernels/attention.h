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

/// Queries of heads that share keys and values.
struct AttendArgs {
  const float* q;  // [heads, D]
  int64_t heads;
  CachedHead head;
  int64_t first, count;  // the tokens that they see
  int64_t head_size;     // D
  float scale;
  const float* bias;  // [heads, count], rows bias_stride apart; null: none
  int64_t bias_stride;
  float* scores;  // attend_scores(count) for each head
  float* out;     // [heads, D]
};
constexpr int64_t attend_scores(int64_t count) { return (count + 15) / 16 * 16; }

/// out = softmax(scale · q · keysᵀ + bias) · values, head by head; 0 where count is 0.
void attend(const AttendArgs& args);

/// scores become softmax(scale · scores + bias), bias [count] or null; count > 0. Those after them
/// up to a multiple of 16 are overwritten with 0.
void softmax(float* scores, int64_t count, float scale, const float* bias);

}  // namespace mm_orch::torch_backend::kernels
