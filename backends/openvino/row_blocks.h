// Reading a weight matrix piece by piece for a conversion.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "graph/graph.h"

namespace mm_orch::openvino {

using RowFunction = std::function<void(int64_t first_row, std::span<const float> rows)>;

/// Hands the rows of a matrix to `use`, block by block, from several threads. A transposed matrix
/// is one block: each block of it would cost a pass over the whole.
/// @throws what `use` throws.
void for_row_blocks(const graph::Weight& weight, const RowFunction& use);

}  // namespace mm_orch::openvino
