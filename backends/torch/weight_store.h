// A graph's weights as the kernels read them. A matrix keeps the numbers in which it is
// stored (float32, 16 bits, ggml's blocks): the kernels widen them in registers, exactly, so
// that a step computes in float32 and reads no more bytes than the file has. A stored tensor
// that already is what is needed stays in its mapped file; the others are read into one block
// of memory. In int8 blocks that a Linear reads are laid out anew, in strips. Vectors are float32.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graph/graph.h"
#include "kernels/strips.h"

namespace mm_orch::torch_backend {

/// What is computed in, and what float32 matrices become: themselves; bfloat16; or, with those of
/// 16 bits, blocks of Q8_0 if a Linear reads them.
enum class Precision { kF32, kBF16, kINT8 };

/// bfloat16 in which a product of many rows takes a float: 3 (exact) or 1.
constexpr int parts_of(Precision precision) { return precision == Precision::kF32 ? 3 : 1; }

/// Rows of a matrix of which all have one type.
struct RowRange {
  int64_t first = 0;
  int64_t count = 0;
  kernels::StoredWeight weight;
};

struct Matrix {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<RowRange> ranges;  // one after the other; all are rows, or all are strips

  bool in_strips() const { return std::holds_alternative<kernels::Strips>(ranges[0].weight); }
};

class WeightStore {
 public:
  WeightStore(const graph::Graph& graph, Precision precision);

  const Matrix& matrix(graph::WeightId id) const { return matrices_[id]; }
  const float* vector(graph::WeightId id) const;
  /// vector(), or null for kNone.
  const float* vector_or_null(graph::WeightId id) const {
    return id == graph::kNone ? nullptr : vector(id);
  }
  Precision precision() const { return precision_; }
  uint64_t bytes() const { return bytes_; }

 private:
  std::vector<Matrix> matrices_;  // by WeightId; a vector is a matrix of one row
  std::vector<std::shared_ptr<const void>> owners_;
  Precision precision_;
  uint64_t bytes_ = 0;
};

}  // namespace mm_orch::torch_backend
