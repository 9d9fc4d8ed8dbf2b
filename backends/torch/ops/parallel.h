// Work that is spread over threads where it is worth it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "thread_pool.h"

namespace mm_orch::torch_backend {

/// How many threads the steps of this thread use from now on, our own and torch's; 0: torch's
/// default.
void use_threads(int count);
/// As use_threads has it.
int thread_count();

/// Parts of a job for each thread. More than one, so that a thread that was held up does not hold
/// up all; few where a part takes microseconds, as its way to another thread does.
inline constexpr int64_t kFewParts = 2;
/// Those of a product of so many rows.
constexpr int64_t parts_each(int64_t rows) { return rows < 32 ? kFewParts : 8; }

/// Calls f(first, last) on parts of [0, end), of `grain` or more each but the last.
template <class F>
void parallel_for(int64_t end, int64_t grain, const F& f, int64_t parts = kFewParts) {
  const int threads = thread_count();
  const int64_t pieces = threads * parts;
  const int64_t piece = std::max(grain, (end + pieces - 1) / pieces);
  const auto body = [](const void* context, int64_t first, int64_t last) {
    (*static_cast<const F*>(context))(first, last);
  };
  ThreadPool::instance().run(threads, end, piece, body, &f);
}

/// Calls f(first, last) on parts of [0, rows). A single row stays on this thread: waking the
/// others takes longer than any row.
template <class F>
void for_rows(int64_t rows, int64_t floats_per_row, const F& f) {
  constexpr int64_t kFloatsWorthAThread = 16384;
  const int64_t grain =
      std::max<int64_t>(1, kFloatsWorthAThread / std::max<int64_t>(1, floats_per_row));
  parallel_for(rows, grain, f);
}

}  // namespace mm_orch::torch_backend
