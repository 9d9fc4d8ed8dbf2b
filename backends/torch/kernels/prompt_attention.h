// A prompt's attention in bfloat16, on AMX or AVX-512: a few queries of one head over the keys
// before them.
//
// Scores are computed transposed, a row for each key: maxima and sums are then of whole vectors,
// and the weights become the second product's operand without being turned round. The keys are read
// where the cache has them, piece by piece, with running maxima.
// Source: Dao et al. 2022, "FlashAttention"; Milakov and Gimelshein 2018 (online softmax).
#pragma once

#include <cstdint>

#include "kernels/attention.h"

namespace mm_orch::torch_backend::kernels {

inline constexpr int64_t kPromptQueries = 32;  // of a call, at most
inline constexpr int64_t kPromptKeys = 32;     // of a block of the cache

struct PromptArgs {
  const float* q;  // [queries, D], rows q_stride apart
  int64_t q_stride;
  int64_t queries;
  int64_t position;        // of the first query; they see keys up to their own
  CachedHead head;         // bfloat16, kPromptKeys in a block
  const uint16_t* values;  // bfloat16 [blocks of the sequence, D, kPromptKeys], zero beyond its end
  int64_t head_size;       // a multiple of 32
  int64_t window;          // keys that a query sees; 0: all
  float scale;
  float* y;  // [queries, D], rows y_stride apart
  int64_t y_stride;
};

/// Elements of scratch that a call needs, aligned to 64 bytes.
int64_t prompt_scratch_size(int64_t head_size);
/// y = softmax(scale · q · keysᵀ) · values. Needs multiplies_bf16().
void attend_prompt(const PromptArgs& args, float* scratch);

/// Rows of values [count, D] of a block as [D, kPromptKeys], zero beyond `count`.
void transpose_values(const std::byte* values, int64_t count, int64_t head_size, uint16_t* out);

}  // namespace mm_orch::torch_backend::kernels
