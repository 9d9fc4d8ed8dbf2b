// The figures of a comparison, from the samples of its runs. Pure: no model, no terminal.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace mm_orch::cli {

/// One generation.
struct Sample {
  double time_to_first_token_s = 0;
  double latency_s = 0;
  int64_t new_tokens = 0;
};

struct Contender {
  std::string backend;
  std::string precision;
  std::string device;
  std::vector<Sample> samples;
};

struct Figures {
  double time_to_first_token_s = 0;  // mean
  double tokens_per_s = 0;           // all new tokens / all time
  double avg_latency_s = 0;
  double p95_latency_s = 0;
};

/// @param samples  at least one.
Figures figures(const std::vector<Sample>& samples);

/// Linear between the two nearest ranks, as numpy.quantile. @param q  in [0, 1].
double quantile(std::vector<double> values, double q);

/// Index of the first token at which the two part; none if they are equal.
std::optional<size_t> first_difference(const std::vector<int64_t>& a,
                                       const std::vector<int64_t>& b);

/// One row per contender; speed-up is tokens/s against the first one's.
std::string comparison_table(const std::vector<Contender>& contenders);
nlohmann::ordered_json comparison_json(const std::vector<Contender>& contenders);

}  // namespace mm_orch::cli
