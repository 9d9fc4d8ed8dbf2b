// What steps of several tokens take beside one of a single token. Up to some number they take
// hardly longer, as all read the same weights once; which number that is, and what more tokens
// cost, differ by model, backend and processor, so it is measured, from the steps that are made.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "mm_orch/export.h"

namespace mm_orch::backend {

class MM_ORCH_EXPORT StepCosts {
 public:
  StepCosts();

  /// A step of so many tokens, all of texts that decode, took so long. Of two of a number that
  /// follow each other the shorter one counts: in the first backends prepare themselves for its
  /// shape, and now and then the system has other things to do.
  void measured(int64_t tokens, double seconds);
  /// What a step of `more` tokens takes, in steps of `tokens`; both at least 1. Between numbers
  /// that were measured it is a line; where nothing was measured, what kCheck says.
  double ratio(int64_t more, int64_t tokens) const { return cost(more) / cost(tokens); }

 private:
  static constexpr std::array<int64_t, 15> kPlaces{1,  2,  3,  4,  6,  8,   12, 16,
                                                   24, 32, 48, 64, 96, 128, 256};
  static constexpr double kCheck = 0.06;  // of a step of one token, assumed for each one more

  struct Between {
    size_t place;  // kPlaces[place] <= tokens, unless it is the first
    double share;  // of the next one
  };
  static double assumed(int64_t tokens) { return 1.0 + kCheck * static_cast<double>(tokens - 1); }
  static Between between(int64_t tokens);
  double cost(int64_t tokens) const;

  std::array<double, kPlaces.size()> costs_;  // seconds, once something was measured
  std::bitset<kPlaces.size()> measured_;
  std::array<float, kPlaces.back() + 1> last_{};  // seconds, of each number; 0: none
};

/// What a session may expect of its next step.
struct StepOutlook {
  int64_t sharers = 1;  // sessions whose steps are computed together, this one included
  int64_t others = 0;   // tokens that the other ones feed, as they did last
  StepCosts costs;
};

}  // namespace mm_orch::backend
