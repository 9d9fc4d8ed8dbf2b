// What steps of several tokens take beside one of a single token. Up to some number they take
// hardly longer, as all read the same weights once; which number that is, and what more tokens
// cost, differ by model, backend and processor, so it is measured, from the steps that are made.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "mm_orch/export.h"

namespace mm_orch::backend {

/// Between the numbers of tokens that have a place it is a line; beyond the last, that line goes
/// on.
class MM_ORCH_EXPORT StepCosts {
 public:
  /// Nothing was measured: each token more than one takes a small part of a step.
  StepCosts();
  /// What a step of `more` tokens takes, in steps of `tokens`; both at least 1.
  double ratio(int64_t more, int64_t tokens) const { return of(more) / of(tokens); }

 private:
  friend class StepMeter;
  static constexpr std::array<int64_t, 15> kPlaces{1,  2,  3,  4,  6,  8,   12, 16,
                                                   24, 32, 48, 64, 96, 128, 256};
  struct Between {
    size_t place;  // kPlaces[place] <= tokens
    double share;  // of the next one
  };
  static double assumed(int64_t tokens);
  static Between between(int64_t tokens);
  double of(int64_t tokens) const;

  std::array<double, kPlaces.size()> costs_;  // seconds, once something was measured
};

/// Learns them.
class MM_ORCH_EXPORT StepMeter {
 public:
  /// A step of so many tokens, all of texts that decode, took so long. Of two of a number that
  /// follow each other the shorter one counts: in the first backends prepare themselves for its
  /// shape, and now and then the system has other things to do.
  void measured(int64_t tokens, double seconds);
  const StepCosts& costs() const { return costs_; }

 private:
  StepCosts costs_;
  std::bitset<StepCosts::kPlaces.size()> known_;
  std::array<float, StepCosts::kPlaces.back() + 1> last_{};  // seconds, of each number; 0: none
};

/// What a session may expect of its next step.
struct StepOutlook {
  int64_t sharers = 1;  // sessions whose steps are computed together, this one included
  int64_t others = 0;   // tokens that the other ones feed, as they did last
  StepCosts costs;
};

}  // namespace mm_orch::backend
