// x · weightᵀ for many rows: tiles of 16 weight rows times 16 rows of x, bfloat16 products summed
// in float32, on AMX or AVX-512.
//
// A float is the sum of three bfloat16 (8 bits each of its 24), so that products of the parts,
// without those below the last bit of a float, give the accuracy of a float32 product:
// 6 products of tiles for float32 weights, 5 for float16, 3 for bfloat16, and still fewer
// cycles than one product without AMX. A product of leading parts alone is bfloat16 arithmetic.
#pragma once

#include "kernels/strips.h"

namespace mm_orch::torch_backend::kernels {

/// True if this processor has AMX for bfloat16 and the system lets the process use it.
bool has_amx();
/// True if it multiplies bfloat16, on AMX or with AVX-512's dot products. Without AMX, products of
/// one part alone are supported.
bool multiplies_bf16();

/// Rows of x, packed for it: blocks of 16, in each of which `parts` bfloat16 make a float.
struct PackedRows {
  const uint16_t* data;
  int64_t rows;
  int64_t columns;
  int parts;  // 3: float32; 1: bfloat16
};
/// Elements of the packed form.
int64_t packed_size(int64_t rows, int64_t columns, int parts);
/// Packs the blocks [first, last) of 16 rows; `out` is that of block 0.
void pack_rows(const float* x, int64_t x_stride, const PackedRows& packed, int64_t first,
               int64_t last, uint16_t* out);

struct PackedArgs {
  PackedRows x;
  StoredWeight weight;  // [out, columns]: rows, which can_read, or, of 1 part, strips
  int64_t out;          // its rows
  const float* bias;    // [out] or null
  float* y;             // [x.rows, out], rows y_stride apart
  int64_t y_stride;
};
inline constexpr int64_t kPanel = 32;  // weight rows
/// Elements of scratch that a product with `x` needs.
int64_t panel_scratch_size(const PackedRows& x);
/// Fills the columns of y of the panels [first, last) of 32 weight rows.
void packed_linear(const PackedArgs& args, int64_t first, int64_t last, uint16_t* scratch);

/// y = silu(x · gateᵀ) · (x · upᵀ), packed as the rows of x are, for the product that reads it.
/// Source: Shazeer 2020, "GLU Variants Improve Transformer" (SwiGLU).
struct PackedGatedArgs {
  PackedRows x;
  StoredWeight weight;  // [2 · out, columns], as in PackedArgs: gate, then up
  int64_t out;          // a multiple of 32
  const float* bias;    // [2 · out] or null
  uint16_t* y;          // packed_size(x.rows, out, x.parts)
};
inline constexpr int64_t kGatedPanel = 16;  // columns of y
/// Fills the panels [first, last) of 16 columns of y.
void packed_gated(const PackedGatedArgs& args, int64_t first, int64_t last, uint16_t* scratch);

}  // namespace mm_orch::torch_backend::kernels
