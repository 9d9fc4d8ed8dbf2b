// Guesses how a text goes on by asking a smaller model of the same vocabulary, token after token.
// It costs time, so it is weighed by measuring: how often its tokens are right, what they take,
// and what checking them takes decide how many it gives, and whether any.
// Source: Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "generation/generator.h"
#include "generation/logit_scan.h"

namespace mm_orch::generation {

/// What a guess took, in steps of the large model without guesses.
struct GuessCost {
  double drafting;  // to make it
  double check;     // the step that checked it
};

/// When to guess, and how many tokens.
class MM_ORCH_EXPORT DraftPace {
 public:
  static constexpr int64_t kMost = 8;

  /// Tokens to guess now; 0: none. Counts as one step.
  int64_t next();
  /// Of `guessed` tokens, one or more, `right` were right. No cost: it could not be measured.
  void judge(int64_t guessed, int64_t right, const std::optional<GuessCost>& cost);
  /// Tokens that a step's time gives with guesses, 1 being what it gives without.
  double gain() const { return gain_; }
  bool pausing() const { return pause_ > 0; }

 private:
  double gain_of(int64_t length) const;
  void choose();

  // What is assumed before anything is measured.
  double right_ = 3.0, tried_ = 4.0;             // tokens, the older ones counting less
  double token_cost_ = 0.2, check_cost_ = 0.05;  // of a guessed token: to make, to check
  double gain_ = 1.0;
  int64_t length_ = 3;
  int64_t pause_ = 3;  // steps without guesses: the first ones say what such a step takes
  int64_t next_pause_ = 4;
  int64_t guesses_ = 0;
};

/// Of one text.
class MM_ORCH_EXPORT ModelDraft {
 public:
  /// Both are kept by reference and outlive the draft.
  ModelDraft(const DraftModel& model, const ResolvedConfig& config)
      : model_(model), config_(config) {}

  /// What may follow `prompt` and `new_tokens`; often nothing. Both only grow. A failure of the
  /// model is reported to it, and ends the guesses.
  std::span<const int64_t> guess(const std::vector<int64_t>& prompt,
                                 const std::vector<int64_t>& new_tokens);
  /// How many of the tokens guessed last were right. `plain_s` is what a step without guesses
  /// takes, 0 if that is not known; `check_s` what the step took that checked the guess.
  void judge(int64_t right, double plain_s, double check_s);
  /// Gives back what its session holds; a later guess reads the text again.
  void end();
  double gain() const { return pace_.gain(); }

 private:
  void draft(std::span<const int64_t> text, int64_t count);
  bool catch_up(std::span<const int64_t> text);
  void fail(const MuAIError& error);
  int64_t feed(std::span<const int64_t> tokens);
  bool cancelled() const { return config_.cancel && config_.cancel->cancelled(); }

  const DraftModel& model_;
  const ResolvedConfig& config_;
  DraftPace pace_;
  std::unique_ptr<backend::Session> session_;
  std::vector<int64_t> held_;  // by the session
  std::vector<int64_t> guess_;
  LogitScan scan_;
  double drafting_s_ = 0.0;  // of the last guess, without catching up with the text
  bool ended_ = false;
};

}  // namespace mm_orch::generation
