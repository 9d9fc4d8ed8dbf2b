// How the requests to a model shared its steps and its KV cache.
#pragma once

#include <cstdint>

namespace mm_orch {

/// Of one model, since it was loaded; the last four are of now.
struct SchedulingStats {
  int64_t steps = 0;
  int64_t step_sequences = 0;   // texts in a step, sum over the steps
  int64_t computed_tokens = 0;  // prompts' and new ones
  int64_t shared_tokens = 0;    // not computed: an earlier text had the same beginning
  int64_t preemptions = 0;      // texts whose cache was taken for others and computed again
  double waiting_s = 0;         // for room in the cache, sum over the requests
  int64_t waiting = 0;          // requests that have no room
  int64_t active = 0;           // requests that have room
  int64_t blocks = 0;           // of the cache
  int64_t blocks_taken = 0;
};

}  // namespace mm_orch
