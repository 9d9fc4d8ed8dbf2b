// Guesses how a text goes on by looking up its last tokens earlier in it. What is guessed is
// checked by the model in one step, so that text which repeats itself (a summary, an edit of
// code) takes fewer steps, and no token changes.
// Source: Saxena 2023, "Prompt Lookup Decoding"; Leviathan et al. 2023 (speculation).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "backend/step_costs.h"
#include "mm_orch/export.h"

namespace mm_orch::generation {

/// For the guesses of a step.
struct GuessRoom {
  static constexpr int64_t kMost = 15;
  int64_t together = 1;  // texts that share the step, and wait for each other's guesses
  int64_t most = kMost;  // tokens guessed for a text
  int64_t tokens = 1;    // that the step has already, others' guesses included
  backend::StepCosts costs;
};

/// How many tokens it guesses follows from how often tokens after a match of that length were
/// right in this text, guessed or not, and from what a step of so many more tokens takes.
class MM_ORCH_EXPORT LookupDraft {
 public:
  LookupDraft();

  /// What may follow `prompt` and `new_tokens`; often nothing. Both only grow.
  /// @param least  tokens that a guess has to promise for the time of a step without guesses.
  std::span<const int64_t> guess(std::span<const int64_t> prompt,
                                 std::span<const int64_t> new_tokens, const GuessRoom& room = {},
                                 double least = 1.0);

 private:
  static constexpr int64_t kLongestMatch = 6;  // longer ones say no more
  static constexpr std::array<int64_t, 5> kLengths{1, 2, 4, 8, GuessRoom::kMost};

  struct Match {
    int64_t length = 0;  // 0: nothing was found
    int64_t next = 0;    // where what followed it begins
  };
  struct Odds {
    double right, tried;  // tokens, the older ones counting less
  };

  void learn(std::span<const int64_t> tokens);
  void score(int64_t before);
  Match find() const;
  int64_t best_length(const GuessRoom& room, double least) const;

  std::vector<int64_t> history_;
  std::unordered_map<int64_t, int64_t> latest_;  // token: its last place
  std::vector<int64_t> earlier_;                 // of each place: the one before with its token
  Match match_;                                  // of the last call
  std::array<Odds, kLongestMatch> odds_;         // by the match's length, from 1
  std::vector<int64_t> guess_;
};

}  // namespace mm_orch::generation
