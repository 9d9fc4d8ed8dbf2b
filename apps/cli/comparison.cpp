#include "comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text_width.h"

namespace mm_orch::cli {

Figures figures(const std::vector<Sample>& samples) {
  Figures result;
  std::vector<double> latencies_s;
  double total_s = 0;
  int64_t tokens = 0;
  const auto count = static_cast<double>(samples.size());
  for (const Sample& sample : samples) {
    result.time_to_first_token_s += sample.time_to_first_token_s / count;
    latencies_s.push_back(sample.latency_s);
    total_s += sample.latency_s;
    tokens += sample.new_tokens;
  }
  result.tokens_per_s = static_cast<double>(tokens) / total_s;
  result.avg_latency_s = total_s / count;
  result.p95_latency_s = quantile(std::move(latencies_s), 0.95);
  return result;
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, values.size() - 1);
  return std::lerp(values[below], values[above], rank - std::floor(rank));
}

std::optional<size_t> first_difference(const std::vector<int64_t>& a,
                                       const std::vector<int64_t>& b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (in_a == a.end() && in_b == b.end()) return std::nullopt;
  return static_cast<size_t>(in_a - a.begin());
}

std::string comparison_table(const std::vector<Contender>& contenders) {
  const std::vector<Column> columns = {{"backend"},
                                       {"precision"},
                                       {"first token (ms)", Align::kRight},
                                       {"tokens/s", Align::kRight},
                                       {"avg latency (s)", Align::kRight},
                                       {"p95 latency (s)", Align::kRight},
                                       {"speed-up", Align::kRight}};
  const double base = figures(contenders.at(0).samples).tokens_per_s;
  std::vector<std::vector<std::string>> rows;
  for (const Contender& contender : contenders) {
    const Figures row = figures(contender.samples);
    rows.push_back({contender.backend, contender.precision,
                    fmt::format("{:.1f}", row.time_to_first_token_s * 1e3),
                    fmt::format("{:.1f}", row.tokens_per_s),
                    fmt::format("{:.3f}", row.avg_latency_s),
                    fmt::format("{:.3f}", row.p95_latency_s),
                    fmt::format("{:.2f}x", row.tokens_per_s / base)});
  }
  return format_table(columns, rows);
}

nlohmann::ordered_json comparison_json(const std::vector<Contender>& contenders) {
  const double base = figures(contenders.at(0).samples).tokens_per_s;
  auto rows = nlohmann::ordered_json::array();
  for (const Contender& contender : contenders) {
    const Figures row = figures(contender.samples);
    rows.push_back({{"backend", contender.backend},
                    {"precision", contender.precision},
                    {"device", contender.device},
                    {"generations", contender.samples.size()},
                    {"time_to_first_token_s", row.time_to_first_token_s},
                    {"tokens_per_s", row.tokens_per_s},
                    {"avg_latency_s", row.avg_latency_s},
                    {"p95_latency_s", row.p95_latency_s},
                    {"speed_up", row.tokens_per_s / base}});
  }
  return rows;
}

}  // namespace mm_orch::cli
