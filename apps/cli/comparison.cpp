#include "comparison.h"

#include <fmt/format.h>

#include "text_width.h"

namespace mm_orch::cli {
namespace {

struct Row {
  const std::string& backend;
  const std::string& precision;
  const PerformanceStats& stats;
  uint64_t memory_bytes;
};

std::vector<Row> rows_of(const ComparedBackends& compared) {
  const auto& result = compared.result;
  return {
      {compared.first, result.first_precision, result.first_stats, result.first_memory_bytes},
      {compared.second, result.second_precision, result.second_stats, result.second_memory_bytes}};
}

}  // namespace

std::string comparison_table(const ComparedBackends& compared) {
  const std::vector<Column> columns = {{"backend"},
                                       {"precision"},
                                       {"first token (ms)", Align::kRight},
                                       {"tokens/s", Align::kRight},
                                       {"avg latency (s)", Align::kRight},
                                       {"p95 latency (s)", Align::kRight},
                                       {"memory", Align::kRight}};
  std::vector<std::vector<std::string>> cells;
  for (const Row& row : rows_of(compared))
    cells.push_back(
        {row.backend, row.precision, fmt::format("{:.1f}", row.stats.time_to_first_token_s * 1e3),
         fmt::format("{:.1f}", row.stats.avg_throughput),
         fmt::format("{:.3f}", row.stats.avg_latency_s),
         fmt::format("{:.3f}", row.stats.p95_latency_s), format_bytes(row.memory_bytes)});
  return format_table(columns, cells);
}

std::string comparison_verdict(const ComparedBackends& compared) {
  const auto& result = compared.result;
  const auto speed = fmt::format("{} is {:.2f}x as fast as {} (95% interval {:.2f}x to {:.2f}x).\n",
                                 compared.second, result.latency_improvement, compared.first,
                                 result.latency_improvement_low, result.latency_improvement_high);
  if (!result.first_difference) return speed + "The answers are equal, token by token.\n";
  return speed +
         fmt::format("An answer differs from its token {} on.\n", *result.first_difference + 1);
}

nlohmann::ordered_json comparison_json(const ComparedBackends& compared) {
  const auto& result = compared.result;
  auto backends = nlohmann::ordered_json::array();
  for (const Row& row : rows_of(compared))
    backends.push_back({{"backend", row.backend},
                        {"precision", row.precision},
                        {"generations", row.stats.sample_count},
                        {"time_to_first_token_s", row.stats.time_to_first_token_s},
                        {"tokens_per_s", row.stats.avg_throughput},
                        {"avg_latency_s", row.stats.avg_latency_s},
                        {"p95_latency_s", row.stats.p95_latency_s},
                        {"memory_bytes", row.memory_bytes}});
  nlohmann::ordered_json json = {{"model", result.model}, {"backends", std::move(backends)}};
  json["latency_improvement"] = result.latency_improvement;
  json["latency_interval"] = {result.latency_improvement_low, result.latency_improvement_high};
  json["throughput_improvement"] = result.throughput_improvement;
  json["first_difference"] =
      result.first_difference ? nlohmann::ordered_json(*result.first_difference) : nullptr;
  return json;
}

}  // namespace mm_orch::cli
