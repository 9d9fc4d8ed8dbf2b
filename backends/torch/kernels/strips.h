// Weights in blocks of 8 bits and fewer, laid out for dot products of bytes: 16 rows are a strip,
// in which every four neighbours of a row lie beside those of the other rows, so that one
// instruction serves all 16. The numbers are those of the stored blocks, to the last bit.
#pragma once

#include <variant>

#include "kernels/rows.h"

namespace mm_orch::torch_backend::kernels {

inline constexpr int64_t kStripRows = 16;
/// Strips that so many rows take.
constexpr int64_t strips_of(int64_t rows) { return (rows + kStripRows - 1) / kStripRows; }

/// A matrix as strips, one after the other; rows that the last one lacks are zeros.
struct Strips {
  const std::byte* data = nullptr;
  int64_t strip_bytes = 0;
  DType dtype = DType::kQ8_0;

  const std::byte* strip(int64_t s) const { return data + s * strip_bytes; }
};

/// A weight as it lies in memory.
using StoredWeight = std::variant<Rows, Strips>;

/// True if weights of `dtype` can be strips.
bool in_strips(DType dtype);
/// Bytes of 16 rows of `columns` elements, a multiple of 64.
int64_t strip_bytes(DType dtype, int64_t columns);
/// Lays out the strips [first, last) of `rows` [count, columns] to `out`, that of strip 0.
void to_strips(const Rows& rows, int64_t count, int64_t columns, int64_t first, int64_t last,
               std::byte* out);
/// Row r as float32 [columns].
void expand(const Strips& strips, int64_t r, int64_t columns, float* out);

}  // namespace mm_orch::torch_backend::kernels
