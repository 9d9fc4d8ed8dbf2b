// When a draft model guesses, and how many tokens: how often its tokens are right, what they take
// and what checking them takes decide.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>

#include "mm_orch/export.h"

namespace mm_orch::generation {

/// What a guess took, in steps of the large model without guesses.
struct GuessCost {
  double drafting;  // to make it
  double check;     // the step that checked it
};

class MM_ORCH_EXPORT DraftPace {
 public:
  static constexpr int64_t kMost = 8;

  /// Tokens to guess now; 0: none. Counts as one step.
  int64_t next();
  /// Of `guessed` tokens, one or more, `right` were right. No cost: it could not be measured.
  void judge(int64_t guessed, int64_t right, const std::optional<GuessCost>& cost);
  /// Tokens that a step's time gives with guesses, 1 being what it gives without.
  double gain() const { return gain_; }
  /// Steps without guesses to come.
  int64_t pause() const { return pause_; }
  /// For another text of the same two models, with what was learnt.
  DraftPace for_next_text() const;

 private:
  static constexpr int64_t kPlain = 3;

  double gain_of(int64_t length, double likely) const;
  void choose();
  void pause_longer();

  // What is assumed before anything is measured.
  double right_ = 3.0, tried_ = 4.0;             // tokens, the older ones counting less
  double token_cost_ = 0.2, check_cost_ = 0.05;  // of a guessed token: to make, to check
  int64_t measured_ = 0;                         // guesses with a known cost
  double gain_ = 1.0;
  int64_t length_ = 2;
  int64_t pause_ = kPlain;  // steps without guesses; a text's first ones say what such a step takes
  int64_t next_pause_ = 4;
  int64_t guesses_ = 0;
};

/// What two models have learnt of each other, from text to text. Thread-safe.
class SharedPace {
 public:
  DraftPace get() const {
    const std::lock_guard lock(mutex_);
    return pace_;
  }
  void set(const DraftPace& pace) {
    const std::lock_guard lock(mutex_);
    pace_ = pace;
  }

 private:
  mutable std::mutex mutex_;
  DraftPace pace_;
};

}  // namespace mm_orch::generation
