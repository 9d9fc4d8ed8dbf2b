// x · weightᵀ on the processor's dot products of bytes (VNNI), for weights in blocks of 8 bits
// and fewer. Each row of x is rounded to 8 bits, every four neighbours with a scale of their own:
// an instruction sums four products, exactly in whole numbers; what follows is float32. A scale
// for 32, as ggml's Q8_0 has it, costs as much and rounds away more than twice as much.
#pragma once

#include "kernels/linear.h"

namespace mm_orch::torch_backend::kernels {

/// True if this processor has VNNI, for AVX-512 or for AVX2.
bool has_vnni();
/// True if int8_linear reads weights of `dtype`.
bool in_int8(DType dtype);

/// 32 elements of x.
struct alignas(32) ByteGroup {
  int8_t values[32];
  int32_t sums[8];  // minus the sums of four neighbours
  float scales[8];  // of four neighbours: element = scale · value
  float sum;        // of the elements
};

/// Rounds n floats, a multiple of 32, to n / 32 groups: to the nearest, the largest of four
/// neighbours being 127.
void to_bytes(const float* x, int64_t n, ByteGroup* out);

struct Int8Args {
  const ByteGroup* x;  // [rows, in / 32]
  Rows weight;         // [out, in], of a type that in_int8 allows
  const float* bias;   // [out] or null
  float* y;            // [rows, out], rows y_stride apart
  int64_t y_stride;
  int64_t rows;
  int64_t in;
};

/// Fills columns [first, last) of y.
void int8_linear(const Int8Args& args, int64_t first, int64_t last);

/// n floats, a multiple of 32, as blocks of Q8_0.
void to_q8_0(const float* x, int64_t n, std::byte* out);

}  // namespace mm_orch::torch_backend::kernels
