// Guesses how a text goes on by asking a smaller model of the same vocabulary, token after token.
// That costs time, so DraftPace weighs it.
// Source: Leviathan et al. 2023, "Fast Inference from Transformers via Speculative Decoding".
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "generation/draft_pace.h"
#include "generation/generator.h"
#include "generation/logit_scan.h"

namespace mm_orch::generation {

/// Of one text.
class MM_ORCH_EXPORT ModelDraft {
 public:
  /// Both are kept by reference and outlive the draft.
  ModelDraft(const DraftModel& model, const ResolvedConfig& config)
      : model_(model), config_(config), pace_(model.pace->get()) {}

  /// What may follow `prompt` and `new_tokens`; often nothing. Both only grow. A failure of the
  /// model is reported to it, and ends the guesses.
  std::span<const int64_t> guess(const std::vector<int64_t>& prompt,
                                 const std::vector<int64_t>& new_tokens);
  /// How many of the tokens guessed last were right. `plain_s` is what a step without guesses
  /// takes, 0 if that is not known; `check_s` what the step took that checked the guess.
  void judge(int64_t right, double plain_s, double check_s);
  /// The text has ended: gives back what the session holds, and passes on what was learnt.
  void end();
  double gain() const { return pace_.gain(); }

 private:
  void draft(std::span<const int64_t> text, int64_t count);
  bool catch_up(std::span<const int64_t> text);
  void fail(const MuAIError& error);
  void close();
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
