#include "ops/packed_linear.h"

#include <algorithm>
#include <limits>

#include "ops/aligned.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {

// Up to here our kernels of a few rows are faster. Those of int8 are at any number of rows, but for
// AMX, where to widen a weight takes as long as 16 rows of products of bytes.
constexpr int64_t kFewRows = 8;
constexpr int64_t kFewInt8Rows = 16;
constexpr int64_t kFewRowsWithoutTiles = 10;

constexpr int64_t kPackedElements = 1 << 19;

int64_t most_unpacked_rows(Precision precision) {
  if (kernels::has_amx()) return precision == Precision::kINT8 ? kFewInt8Rows : kFewRows;
  const bool packs = kernels::multiplies_bf16() && precision == Precision::kBF16;
  return packs ? kFewRowsWithoutTiles : std::numeric_limits<int64_t>::max();
}

int64_t rows_at_once(int64_t rows, int64_t columns, int parts) {
  const int64_t fitting = kPackedElements / (columns * parts) / 32 * 32;
  return std::min(rows, std::max<int64_t>(128, fitting));
}

kernels::PackedRows pack(const View& x, int64_t first, int64_t count, int parts,
                         std::vector<uint16_t>& buffer) {
  auto* packed = aligned(buffer, kernels::packed_size(count, x.columns, parts));
  const kernels::PackedRows rows{packed, count, x.columns, parts};
  parallel_for((count + 15) / 16, 1, [&](int64_t begin, int64_t end) {
    kernels::pack_rows(x.row(first), x.stride, rows, begin, end, packed);
  });
  return rows;
}

void multiply_packed(const Matrix& weight, const float* bias, const kernels::PackedRows& x,
                     const View& y, int64_t first) {
  static thread_local std::vector<uint16_t> scratch_buffer;
  for (const auto& range : weight.ranges) {
    const kernels::PackedArgs args{x,
                                   range.weight,
                                   range.count,
                                   bias ? bias + range.first : nullptr,
                                   y.row(first) + range.first,
                                   y.stride};
    const int64_t panels = (range.count + kernels::kPanel - 1) / kernels::kPanel;
    const auto columns = [&](int64_t begin, int64_t end) {
      kernels::packed_linear(args, begin, end,
                             aligned(scratch_buffer, kernels::panel_scratch_size(x)));
    };
    parallel_for(panels, 1, columns, parts_each(x.rows));
  }
}

void linear_packed(const Matrix& weight, const float* bias, int parts, const View& x,
                   const View& y) {
  static thread_local std::vector<uint16_t> buffer;
  const int64_t chunk = rows_at_once(x.rows, x.columns, parts);
  for (int64_t row = 0; row < x.rows; row += chunk) {
    const auto packed = pack(x, row, std::min(chunk, x.rows - row), parts, buffer);
    multiply_packed(weight, bias, packed, y, row);
  }
}

}  // namespace mm_orch::torch_backend
