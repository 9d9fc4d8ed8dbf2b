#include "backend/step_costs.h"

#include <algorithm>
#include <utility>

namespace mm_orch::backend {

namespace {

constexpr double kNewest = 0.3;   // what a measurement counts
constexpr double kLongest = 2.0;  // expected times that it counts at most: others use the cores too
constexpr double kForget = 0.003;  // of what was measured elsewhere, at each measurement

}  // namespace

StepCosts::StepCosts() { std::ranges::transform(kPlaces, costs_.begin(), assumed); }

StepCosts::Between StepCosts::between(int64_t tokens) {
  const auto next = std::ranges::upper_bound(kPlaces.begin() + 1, kPlaces.end() - 1, tokens);
  const auto place = static_cast<size_t>(next - kPlaces.begin()) - 1;
  const auto width = static_cast<double>(kPlaces[place + 1] - kPlaces[place]);
  return {place, static_cast<double>(tokens - kPlaces[place]) / width};
}

double StepCosts::cost(int64_t tokens) const {
  const auto [place, share] = between(tokens);
  // Beyond the last place, on its line, but never for nothing.
  return std::max(costs_[place] + share * (costs_[place + 1] - costs_[place]), 0.1 * costs_[0]);
}

void StepCosts::measured(int64_t tokens, double seconds) {
  const auto number = static_cast<size_t>(std::min(tokens, kPlaces.back()));
  const double last = std::exchange(last_[number], static_cast<float>(seconds));
  if (last == 0.0) return;
  seconds = std::min(seconds, last);
  if (measured_.none())
    for (auto& cost : costs_) cost *= seconds / assumed(tokens);
  const auto [place, above] = between(tokens);
  const double share = std::min(above, 1.0);
  const bool is_new = !measured_[place + (share > 0.5 ? 1 : 0)];
  const double step = (is_new ? 1.0 : kNewest) * (seconds - cost(tokens)) /
                      (share * share + (1.0 - share) * (1.0 - share));
  const auto move = [&](size_t i, double part) {
    if (part == 0.0) return;
    costs_[i] += part * step;
    measured_[i] = true;
  };
  move(place, 1.0 - share);
  move(place + 1, share);
  // Elsewhere it may be otherwise by now: what looked too long is tried again, in a while.
  const double unit = cost(tokens) / assumed(tokens);
  for (size_t i = 0; i < costs_.size(); ++i)
    if (i != place && i != place + 1)
      costs_[i] += kForget * (unit * assumed(kPlaces[i]) - costs_[i]);
}

}  // namespace mm_orch::backend
