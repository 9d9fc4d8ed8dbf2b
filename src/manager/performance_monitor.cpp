#include "manager/performance_monitor.h"

#include <limits>

namespace mm_orch::manager {

void PerformanceMonitor::Figures::add(const Figures& other) {
  latencies.add(other.latencies);
  latency_sum_s += other.latency_sum_s;
  first_token_sum_s += other.first_token_sum_s;
  new_tokens += other.new_tokens;
}

void PerformanceMonitor::record(const std::string& backend, const std::string& model,
                                double latency_s, double time_to_first_token_s,
                                int64_t new_tokens) {
  const std::lock_guard lock(mutex_);
  auto& figures = figures_[backend][model];
  figures.latencies.add(latency_s);
  figures.latency_sum_s += latency_s;
  figures.first_token_sum_s += time_to_first_token_s;
  figures.new_tokens += new_tokens;
}

PerformanceStats PerformanceMonitor::stats(const std::string& backend,
                                           const std::optional<std::string>& model) const {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  Figures figures;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = figures_.find(backend); found != figures_.end())
      for (const auto& [name, of_model] : found->second)
        if (!model || *model == name) figures.add(of_model);
  }
  if (figures.latencies.count() == 0) return {kNan, kNan, kNan, kNan, kNan, kNan, 0, 0};
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
