// x · weightᵀ on the processor's dot products of bytes (VNNI), for weights in strips. 32 neighbours
// of x share a scale, with which the largest of all but four of them is 127; those four, in which
// the largest of all is, have 15 bits: a few elements of a model's activations are far larger than
// the others, and with a scale for the largest the others lose their bits (KL of SmolLM2 in Q8_0
// 0.0045, against 0.0016; with activations as they are 0.0012). Sums of a group are whole numbers.
#pragma once

#include "kernels/strips.h"

namespace mm_orch::torch_backend::kernels {

/// True if this processor has VNNI, for AVX-512 or for AVX2.
bool has_vnni();

/// 32 elements of x: scale · (values + 128 · high, those of chunk `large`).
struct Int8Group {
  int8_t values[32];
  int8_t high[4];
  int32_t large;       // of the chunks of four
  int32_t minus_sum;   // minus the sum of the whole numbers
  int32_t minus_half;  // of the first 16
  float scale;
  float sum;  // of the elements
};

/// Rounds n floats, a multiple of 32, to n / 32 groups.
void to_int8(const float* x, int64_t n, Int8Group* out);

struct Int8Args {
  const Int8Group* x;  // [rows, in / 32]
  Strips weight;       // [out, in]
  const float* bias;   // [out] or null
  float* y;            // [rows, out], rows y_stride apart
  int64_t y_stride;
  int64_t rows;
  int64_t in;
  int64_t out;
};

/// Fills the columns of y of the strips [first, last) of 16 weight rows. A row's results do not
/// depend on how many are beside it.
void int8_linear(const Int8Args& args, int64_t first, int64_t last);

/// y = silu(x · gateᵀ) · (x · upᵀ), rounded as the x of the product that reads it.
/// Source: Shazeer 2020, "GLU Variants Improve Transformer" (SwiGLU).
struct Int8GatedArgs {
  const Int8Group* x;  // [rows, in / 32]
  Strips weight;       // [2 · out, in]: gate, then up
  const float* bias;   // [2 · out] or null
  Int8Group* y;        // [rows, out / 32]
  int64_t rows;
  int64_t in;
  int64_t out;  // a multiple of 32
};
/// Fills the groups [first, last) of each row of y.
void int8_gated(const Int8GatedArgs& args, int64_t first, int64_t last);

/// n floats, a multiple of 32, as blocks of Q8_0.
void to_q8_0(const float* x, int64_t n, std::byte* out);

}  // namespace mm_orch::torch_backend::kernels
