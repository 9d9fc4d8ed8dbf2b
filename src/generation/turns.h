// Whose step is computed next: models in one process take turns on its cores, in the order
// in which they asked, since two at once would wait for each other's threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace mm_orch::generation {

/// Waits for its turn, and has it while it lives.
class Turn {
 public:
  Turn();
  ~Turn();
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
};

}  // namespace mm_orch::generation
