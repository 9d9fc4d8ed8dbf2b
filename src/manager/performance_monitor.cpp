#include "manager/performance_monitor.h"

#include <limits>

namespace mm_orch::manager {

void PerformanceMonitor::record(const std::string& backend, double latency_s,
                                double time_to_first_token_s, int64_t new_tokens) {
  const std::lock_guard lock(mutex_);
  auto& figures = figures_[backend];
  figures.latencies.add(latency_s);
  figures.latency_sum_s += latency_s;
  figures.first_token_sum_s += time_to_first_token_s;
  figures.new_tokens += new_tokens;
}

PerformanceStats PerformanceMonitor::stats(const std::string& backend) const {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  const std::lock_guard lock(mutex_);
  const auto found = figures_.find(backend);
  if (found == figures_.end()) return {kNan, kNan, kNan, kNan, kNan, kNan, 0, 0};
  const auto& figures = found->second;
  const auto count = static_cast<double>(figures.latencies.count());
  PerformanceStats stats;
  stats.avg_latency_s = figures.latency_sum_s / count;
  stats.p50_latency_s = figures.latencies.quantile(0.50);
  stats.p95_latency_s = figures.latencies.quantile(0.95);
  stats.p99_latency_s = figures.latencies.quantile(0.99);
  stats.avg_throughput = static_cast<double>(figures.new_tokens) / figures.latency_sum_s;
  stats.time_to_first_token_s = figures.first_token_sum_s / count;
  stats.sample_count = figures.latencies.count();
  return stats;
}

std::vector<std::string> PerformanceMonitor::backends() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, figures] : figures_) names.push_back(name);
  return names;
}

}  // namespace mm_orch::manager
