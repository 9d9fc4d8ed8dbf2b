// Guesses how a text goes on by looking up its last tokens earlier in it. What is guessed is
// checked by the model in one step, so that text which repeats itself (a summary, an edit of
// code) takes fewer steps, and no token changes.
// Source: Saxena 2023, "Prompt Lookup Decoding"; Leviathan et al. 2023 (speculation).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch::generation {

class MM_ORCH_EXPORT LookupDraft {
 public:
  static constexpr int64_t kMost =
      15;  // tokens guessed: a step of 16 costs some half more than one

  /// Guesses what follows `prompt` and `new_tokens`; often nothing. Both only grow.
  std::span<const int64_t> guess(std::span<const int64_t> prompt,
                                 std::span<const int64_t> new_tokens);
  /// How many of the tokens guessed last were right, and what their step cost, in steps without
  /// guesses. Good guesses become longer; after one that did not pay it pauses, longer each time.
  void judge(int64_t right, double cost = 1.0);

 private:
  static constexpr int64_t kKey = 3;  // tokens that are looked up

  void learn(std::span<const int64_t> tokens);

  std::vector<int64_t> history_;
  std::map<std::vector<int64_t>, int64_t>
      after_;  // of kKey tokens: where what followed them begins
  std::vector<int64_t> guess_;
  int64_t length_ = 7;
  int64_t pause_ = 0;       // guesses left out
  int64_t next_pause_ = 2;  // after the next that does not pay
};

}  // namespace mm_orch::generation
