#include "backend/step_costs.h"

#include <algorithm>
#include <utility>

namespace mm_orch::backend {

namespace {

constexpr double kCheck = 0.06;  // of a step of one token, assumed for each one more
constexpr double kNewest = 0.3;  // what a measurement counts, where it is not the first
constexpr double kMuch = 0.25;  // of the way to a place, from where a measurement says enough of it
constexpr double kForget = 0.003;  // of what was measured elsewhere, at each measurement

}  // namespace

StepCosts::StepCosts() { std::ranges::transform(kPlaces, costs_.begin(), assumed); }

double StepCosts::assumed(int64_t tokens) { return 1.0 + kCheck * static_cast<double>(tokens - 1); }

StepCosts::Between StepCosts::between(int64_t tokens) {
  const auto next = std::ranges::upper_bound(kPlaces.begin() + 1, kPlaces.end() - 1, tokens);
  const auto place = static_cast<size_t>(next - kPlaces.begin()) - 1;
  const auto width = static_cast<double>(kPlaces[place + 1] - kPlaces[place]);
  return {place, static_cast<double>(tokens - kPlaces[place]) / width};
}

double StepCosts::of(int64_t tokens) const {
  const auto [place, share] = between(tokens);
  const double on_line = costs_[place] + share * (costs_[place + 1] - costs_[place]);
  return std::max(on_line, 0.1 * costs_[0]);  // the last line may fall
}

void StepMeter::measured(int64_t tokens, double seconds) {
  if (tokens > StepCosts::kPlaces.back()) return;
  const double last =
      std::exchange(last_[static_cast<size_t>(tokens)], static_cast<float>(seconds));
  if (last == 0.0) return;
  seconds = std::min(seconds, last);
  auto& costs = costs_.costs_;
  if (known_.none())
    for (auto& cost : costs) cost *= seconds / StepCosts::assumed(tokens);
  const auto [place, share] = StepCosts::between(tokens);
  const double error = seconds - costs_.of(tokens);
  // What is known of one place stays as it is where the other takes the whole error.
  const std::array parts{1.0 - share, share};
  const auto takes_all = [&](size_t i) { return parts[i] >= kMuch && !known_[place + i]; };
  const bool is_new = takes_all(0) || takes_all(1);
  double squares = 0.0;
  for (size_t i = 0; i < 2; ++i)
    if (!is_new || takes_all(i)) squares += parts[i] * parts[i];
  for (size_t i = 0; i < 2; ++i) {
    if (parts[i] == 0.0 || (is_new && !takes_all(i))) continue;
    costs[place + i] += (is_new ? 1.0 : kNewest) * parts[i] * error / squares;
    known_[place + i] = true;
  }
  // Elsewhere it may be otherwise by now: what looked too long is tried again, in a while.
  const double unit = costs_.of(tokens) / StepCosts::assumed(tokens);
  for (size_t i = 0; i < costs.size(); ++i)
    if (i != place && i != place + 1)
      costs[i] += kForget * (unit * StepCosts::assumed(StepCosts::kPlaces[i]) - costs[i]);
}

}  // namespace mm_orch::backend
