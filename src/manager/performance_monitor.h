// Figures of the generations of each backend and model, in memory that does not grow with them.
// Quantiles are within LatencySketch::kRelativeError. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "manager/latency_sketch.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

class MM_ORCH_EXPORT PerformanceMonitor {
 public:
  /// One call of generate, a whole batch being one.
  void record(const std::string& backend, const std::string& model, double latency_s,
              double time_to_first_token_s, int64_t new_tokens);

  /// NaN figures and sample_count 0 where nothing has run; fallback_count is left 0.
  /// @param model  not set: of all models together.
  PerformanceStats stats(const std::string& backend,
                         const std::optional<std::string>& model = {}) const;
  std::vector<std::string> backends() const;  // that have run

 private:
  struct Figures {
    LatencySketch latencies;
    double latency_sum_s = 0;
    double first_token_sum_s = 0;
    int64_t new_tokens = 0;
    void add(const Figures& other);
  };
  mutable std::mutex mutex_;
  std::map<std::string, std::map<std::string, Figures>> figures_;  // backend → model
};

}  // namespace mm_orch::manager
