#include "manager/statistics_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <utility>
#include <vector>

namespace mm_orch::manager {
namespace {

std::string counted(int64_t count, const char* what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

}  // namespace

StatisticsLog::StatisticsLog(Clock clock) : clock_(std::move(clock)), last_(clock_()) {}

bool StatisticsLog::is_due(int interval_s) {
  if (interval_s <= 0) return false;
  const auto now = clock_();
  const std::lock_guard lock(mutex_);
  if (now - last_ < std::chrono::seconds(interval_s)) return false;
  last_ = now;
  return true;
}

std::string statistics_line(const std::map<std::string, PerformanceStats>& stats) {
  std::vector<std::string> parts;
  for (const auto& [backend, figures] : stats)
    parts.push_back(fmt::format(
        "{}: {}, {:.3f} s on average (p95 {:.3f} s), {:.1f} tokens/s, {}", backend,
        counted(figures.sample_count, "generation"), figures.avg_latency_s, figures.p95_latency_s,
        figures.avg_throughput, counted(figures.fallback_count, "fallback")));
  return fmt::format("Statistics: {}", fmt::join(parts, "; "));
}

}  // namespace mm_orch::manager
