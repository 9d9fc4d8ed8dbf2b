// A backend that keeps failing for a model is set aside for a while, instead of being
// tried at every call (Nygard, Release It!, 2007). Closed: it serves. After so many
// failures in a row it opens: calls go elsewhere. After the waiting time one call tries
// it (half open): success closes it, failure opens it again. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <mutex>

#include "mm_orch/export.h"

namespace mm_orch::manager {

class MM_ORCH_EXPORT CircuitBreaker {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  /// @param failures  in a row that open it, >= 1.
  CircuitBreaker(int failures, double retry_after_s, Clock clock = std::chrono::steady_clock::now);

  /// True if the caller may try; it then reports one of the three below.
  bool allow();
  bool failed();     // true if it is now open
  bool succeeded();  // true if it was open before
  void abandoned();  // the call ended for another reason

 private:
  const int limit_;
  const std::chrono::duration<double> retry_after_;
  const Clock clock_;
  std::mutex mutex_;
  int failures_ = 0;
  bool trial_ = false;
  std::chrono::steady_clock::time_point opened_;
};

}  // namespace mm_orch::manager
