#include "exporter/tuning_duel.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace mm_orch::exporter {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kPromptTokens = 128;
constexpr int64_t kTimedTokens = 24;
// What a prefill weighs against a new token: a request of 128 new ones.
constexpr double kNewTokens = 128;
constexpr int kRounds = 6;
constexpr int kLeastRounds = 2;
constexpr double kWorthwhile = 0.97;  // below that a difference is not of the noise alone
constexpr double kMostSeconds = 4;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Ids spread over the vocabulary: equal ones would be kinder to caches.
std::vector<int64_t> spread_ids(int64_t count, int64_t vocabulary) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < count; ++i) ids.push_back(i * 7919 % vocabulary);
  return ids;
}

DuelTimes answer(backend::LoadedModel& model, const graph::ModelInfo& info) {
  const auto text = spread_ids(duel_prompt_tokens(info), info.vocabulary_size);
  auto prompt = text;
  backend::SessionOptions options{.batch = 1,
                                  .padding = {},
                                  .capacity = static_cast<int64_t>(text.size()) + kTimedTokens,
                                  .sources = {}};
  if (info.kind == graph::ModelKind::kEncoderDecoder) {
    options.sources = {text};
    prompt = {info.decoder_start_token};
  }
  const auto session = model.new_session(options);
  auto start = Clock::now();
  session->step(prompt, backend::LogitsOf::kLastToken);
  DuelTimes times{.prefill_ms = ms_since(start)};
  std::vector<double> steps;
  for (int64_t i = 0; i < kTimedTokens; ++i) {
    const int64_t token = text[static_cast<size_t>(i) % text.size()];
    start = Clock::now();
    session->step({&token, 1}, backend::LogitsOf::kLastToken);
    steps.push_back(ms_since(start));
  }
  times.decode_ms = median(steps);
  return times;
}

double request_ms(const DuelTimes& times) {
  return times.prefill_ms + kNewTokens * times.decode_ms;
}

class Rounds {
 public:
  void add(const DuelTimes& times) {
    prefill_.push_back(times.prefill_ms);
    decode_.push_back(times.decode_ms);
  }
  DuelTimes medians() const { return {median(prefill_), median(decode_)}; }

 private:
  std::vector<double> prefill_, decode_;
};

}  // namespace

int64_t duel_prompt_tokens(const graph::ModelInfo& info) {
  if (info.context_length == 0) return kPromptTokens;
  return std::clamp<int64_t>(info.context_length - kTimedTokens, 1, kPromptTokens);
}

DuelResult duel(backend::LoadedModel& first, backend::LoadedModel& second,
                const graph::ModelInfo& info) {
  const auto start = Clock::now();
  answer(first, info);  // the first request of a shape pays for its kernels
  answer(second, info);
  Rounds rounds_of_first, rounds_of_second;
  std::vector<double> ratios;
  for (int round = 0; round < kRounds; ++round) {
    DuelTimes a, b;
    if (round % 2 == 0) a = answer(first, info);
    b = answer(second, info);
    if (round % 2 == 1) a = answer(first, info);
    rounds_of_first.add(a);
    rounds_of_second.add(b);
    ratios.push_back(request_ms(b) / request_ms(a));
    if (round + 1 < kLeastRounds) continue;
    if (*std::min_element(ratios.begin(), ratios.end()) > kWorthwhile) break;
    if (ms_since(start) > 1000 * kMostSeconds) break;
  }
  const auto wins = std::count_if(ratios.begin(), ratios.end(), [](double r) { return r < 1; });
  const double ratio = median(ratios);
  return {.first = rounds_of_first.medians(),
          .second = rounds_of_second.medians(),
          .ratio = ratio,
          .second_wins =
              ratio < kWorthwhile && 4 * wins >= 3 * static_cast<std::ptrdiff_t>(ratios.size())};
}

}  // namespace mm_orch::exporter
