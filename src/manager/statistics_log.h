// The statistics as a line of the log, at most once in an interval. There is no thread:
// the call that ends after the interval is over writes it. Thread-safe.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <string>

#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

class MM_ORCH_EXPORT StatisticsLog {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  explicit StatisticsLog(Clock clock = std::chrono::steady_clock::now);

  /// True for one caller in each interval, the first beginning with this object.
  /// @param interval_s  0: never.
  bool is_due(int interval_s);

 private:
  const Clock clock_;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point last_;
};

/// "Statistics: openvino: 12 generations, 0.812 s on average (p95 1.203 s), 61.5 tokens/s, 1
/// fallback; pytorch: ..."
MM_ORCH_EXPORT std::string statistics_line(const std::map<std::string, PerformanceStats>& stats);

}  // namespace mm_orch::manager
