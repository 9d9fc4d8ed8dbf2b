// Reading a graph's weights as float32, in row blocks, so that a backend never needs
// the whole matrix twice.
#pragma once

#include <functional>
#include <span>

#include "graph/graph.h"

namespace mm_orch::graph {

/// Reads rows [first_row, first_row + rows) of the logical matrix [out, in] (a vector [n] has
/// one row of n elements), concatenation and transposition applied.
/// A block of a transposed weight costs a pass over the whole matrix: read those at once.
/// @param out  float32 [rows, in].
MM_ORCH_EXPORT void read_rows(const Weight& weight, int64_t first_row, int64_t rows,
                              std::span<float> out);

/// Bits of the stored blocks' grids (weights::grid_bits) if every part of the matrix has the same;
/// else 0. A transposed matrix has none: its rows lie across the blocks.
MM_ORCH_EXPORT int grid_bits(const Weight& weight);

/// The grids of rows [first_row, first_row + rows) of a matrix that has them.
/// @param out  [rows, in / kGridElements].
MM_ORCH_EXPORT void read_grids(const Weight& weight, int64_t first_row, int64_t rows,
                               std::span<weights::Grid> out);

/// Rows and columns of the logical matrix; a vector [n] is 1 × n.
MM_ORCH_EXPORT int64_t row_count(const Weight& weight);
MM_ORCH_EXPORT int64_t column_count(const Weight& weight);

}  // namespace mm_orch::graph
