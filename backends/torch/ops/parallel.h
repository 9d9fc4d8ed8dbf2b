// Work on the rows of a value, spread over threads when it is worth it.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>

namespace mm_orch::torch_backend {

/// Calls f(first, last) on parts of [0, rows). A single row stays on this thread: waking the
/// others takes longer than any row.
template <class F>
void for_rows(int64_t rows, int64_t floats_per_row, const F& f) {
  constexpr int64_t kFloatsWorthAThread = 16384;
  const int64_t grain =
      std::max<int64_t>(1, kFloatsWorthAThread / std::max<int64_t>(1, floats_per_row));
  at::parallel_for(0, rows, grain, f);
}

}  // namespace mm_orch::torch_backend
