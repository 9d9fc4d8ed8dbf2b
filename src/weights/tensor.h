// A stored tensor: a view of a memory-mapped file with its type and shape, and the
// reading of it as float32. A tensor keeps its file mapped; nothing is copied
// until `read_f32`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "mm_orch/export.h"

namespace mm_orch::weights {

struct Tensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // row-major, outermost first (as in PyTorch)
  std::span<const std::byte> data;
  std::shared_ptr<const void> owner;  // keeps `data` alive

  // Rotary halves of each head are interleaved on disk (GGUF's Llama Q and K): row
  // 2i of a head is row i, row 2i+1 is row D/2+i. 0: rows lie in order; otherwise the
  // head size D.
  int64_t interleaved_head_size = 0;

  int64_t rows() const;          // shape[0]; 1 for a scalar
  int64_t row_elements() const;  // product of shape[1:]
};

/// The row on disk that holds logical row `row`.
MM_ORCH_EXPORT int64_t stored_row(const Tensor& tensor, int64_t row);

/// Dequantises or converts rows [first_row, first_row + row_count) to float32.
/// @param out  float32 [row_count, row_elements], in the logical order of rows
///             (interleaved heads undone).
/// Source of the block layouts: ggml-common.h, ggml-quants.c (ggml, MIT).
MM_ORCH_EXPORT void read_f32(const Tensor& tensor, int64_t first_row, int64_t row_count,
                             std::span<float> out);

/// Elements of a row that share a grid in the types that have one.
inline constexpr int64_t kGridElements = 32;
/// The values that a group can hold: scale · q + minimum, with q in [0, 15], or of 8 bits in
/// [-128, 127].
struct Grid {
  float scale;
  float minimum;
};
/// Bits of q: 8 for Q8_0, 4 for Q4_0, Q4_1 and Q4_K; 0 for a type without grids of 32.
MM_ORCH_EXPORT int grid_bits(DType dtype);
/// The grids of rows [first_row, first_row + row_count), in the order of read_f32.
/// @param out  [row_count, row_elements / kGridElements].
MM_ORCH_EXPORT void read_grids(const Tensor& tensor, int64_t first_row, int64_t row_count,
                               std::span<Grid> out);

/// The whole tensor as float32.
MM_ORCH_EXPORT std::vector<float> read_f32(const Tensor& tensor);

}  // namespace mm_orch::weights
