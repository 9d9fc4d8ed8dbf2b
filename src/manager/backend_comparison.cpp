#include "manager/backend_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "manager/failover_sessions.h"
#include "manager/performance_monitor.h"
#include "manager/scoring.h"
#include "manager/text_generation.h"

namespace mm_orch::manager {
namespace {

// Student's t, two-sided 95%, kComparisonPairs - 1 degrees of freedom.
constexpr double kStudentT = 2.365;
static_assert(kComparisonPairs == 8);

struct Run {
  double latency_s = 0;
  std::vector<int64_t> tokens;
};

class Side {
 public:
  Side(HostedModel& model, ModelLoader& loader, std::shared_ptr<const CancelToken> cancel)
      : model_(model), loader_(loader), cancel_(std::move(cancel)) {}

  Run run(const RecentPrompt& prompt, bool counted) {
    generation::ResolvedConfig config;
    config.max_new_tokens = prompt.new_tokens;
    config.cancel = cancel_;
    FailoverSessions sessions(model_, loader_);
    const auto start = std::chrono::steady_clock::now();
    auto results = generate(sessions, model_.assets, nullptr, {&prompt.tokens, 1}, config);
    const double latency_s =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    sessions.finished();
    if (results[0].finish_reason == FinishReason::kCancelled)
      throw CancelledError("The comparison was cancelled", ErrorContext{.model = prompt.model});
    if (sessions.backend_name() != model_.backend)
      throw BackendError(fmt::format("{} failed; get_fallback_events() says why", model_.backend),
                         ErrorContext{.model = prompt.model, .backend = model_.backend});
    if (counted)
      monitor_.record(model_.backend, prompt.model, latency_s, results[0].time_to_first_token_s,
                      prompt.new_tokens);
    return {latency_s, std::move(results[0].new_tokens)};
  }

  PerformanceStats stats() const { return monitor_.stats(model_.backend); }

 private:
  HostedModel& model_;
  ModelLoader& loader_;
  std::shared_ptr<const CancelToken> cancel_;
  PerformanceMonitor monitor_;
};

void note_difference(BackendComparison& comparison, const Run& first, const Run& second) {
  const auto parted = std::mismatch(first.tokens.begin(), first.tokens.end(), second.tokens.begin(),
                                    second.tokens.end());
  if (parted.first == first.tokens.end()) return;
  const auto index = static_cast<int64_t>(parted.first - first.tokens.begin());
  comparison.first_difference = std::min(comparison.first_difference.value_or(index), index);
}

// The geometric mean of the pairs' ratios and its confidence interval.
void set_latency(BackendComparison& comparison, const std::vector<double>& log_ratios) {
  const auto count = static_cast<double>(log_ratios.size());
  double mean = 0, square = 0;
  for (const double ratio : log_ratios) mean += ratio / count;
  for (const double ratio : log_ratios) square += (ratio - mean) * (ratio - mean) / (count - 1);
  const double margin = kStudentT * std::sqrt(square / count);
  comparison.latency_improvement = std::exp(mean);
  comparison.latency_improvement_low = std::exp(mean - margin);
  comparison.latency_improvement_high = std::exp(mean + margin);
}

}  // namespace

std::vector<RecentPrompt> prompts_of(const ComparisonOptions& options, const ModelAssets& assets) {
  GenerationConfig asked;
  asked.max_new_tokens = options.max_new_tokens;
  std::vector<RecentPrompt> prompts;
  for (const auto& tokens : options.prompts) {
    check_token_ids(tokens, assets.info);
    generation::resolve(asked, assets.generation_config, assets.config,
                        static_cast<int64_t>(tokens.size()), assets.info.context_length);
    prompts.push_back({assets.name, tokens, options.max_new_tokens});
  }
  return prompts;
}

BackendComparison compare_on(const std::vector<RecentPrompt>& prompts, HostedModel& first,
                             HostedModel& second, ModelLoader& loader,
                             const ComparisonOptions& options) {
  Side a(first, loader, options.cancel), b(second, loader, options.cancel);
  BackendComparison comparison;
  comparison.model = prompts.front().model;
  a.run(prompts.front(), false);
  b.run(prompts.front(), false);
  std::vector<double> log_ratios;
  for (int pair = 0; pair < kComparisonPairs; ++pair) {
    const auto& prompt = prompts[static_cast<size_t>(pair) % prompts.size()];
    if (options.progress) options.progress(pair, kComparisonPairs);
    // Who goes first changes, so that neither side always follows the other.
    Run run_a, run_b;
    if (pair % 2 == 0) run_a = a.run(prompt, true);
    run_b = b.run(prompt, true);
    if (pair % 2 == 1) run_a = a.run(prompt, true);
    log_ratios.push_back(std::log(run_a.latency_s / run_b.latency_s));
    note_difference(comparison, run_a, run_b);
  }
  if (options.progress) options.progress(kComparisonPairs, kComparisonPairs);
  set_latency(comparison, log_ratios);
  comparison.first_stats = a.stats();
  comparison.second_stats = b.stats();
  comparison.throughput_improvement =
      comparison.second_stats.avg_throughput / comparison.first_stats.avg_throughput;
  comparison.first_precision = first.model->precision();
  comparison.second_precision = second.model->precision();
  comparison.first_memory_bytes = first.model->memory_bytes();
  comparison.second_memory_bytes = second.model->memory_bytes();
  return comparison;
}

}  // namespace mm_orch::manager
