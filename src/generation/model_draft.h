// Guesses how texts go on by asking a smaller model of the same vocabulary, token after token, each
// step for all texts of a generation. That costs time, so DraftPace weighs it for each text.
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

/// One of the texts of a generation. Both vectors only grow.
struct GrowingText {
  size_t index;  // of its prompt
  const std::vector<int64_t>* prompt;
  const std::vector<int64_t>* new_tokens;
};

/// Of one generation.
class MM_ORCH_EXPORT ModelDraft {
 public:
  /// Both are kept by reference and outlive the draft.
  ModelDraft(const DraftModel& model, const ResolvedConfig& config, size_t texts)
      : model_(model), config_(config), texts_(texts, Text{.pace = model.pace->get()}) {}

  /// Guesses what follows each of `texts`. A failure of the model is reported to it, and ends the
  /// guesses.
  void guess(std::span<const GrowingText> texts, int64_t most);
  /// What was guessed last for a text; often nothing.
  std::span<const int64_t> guessed(size_t index) const { return texts_[index].guess; }
  /// How many of the tokens guessed last were right. `plain_s` is what a step without guesses
  /// takes, 0 if that is not known; `check_s` what the step took that checked the guess.
  void judge(size_t index, int64_t right, double plain_s, double check_s);
  /// The text has ended: gives back what the session holds of it, and passes on what was learnt.
  void end(size_t index);
  double gain(size_t index) const { return texts_[index].pace.gain(); }

 private:
  struct Text {
    DraftPace pace;
    std::vector<int64_t> held{};  // by its row of the session
    std::vector<int64_t> guess{};
    double drafting_s = 0.0;  // of the last guess, without catching up with the text
    bool ended = false;
  };
  struct Asked;

  int64_t wanted(const GrowingText& text);
  void draft(std::vector<Asked> asked);
  bool forget_wrong(const Asked& asked);
  bool catch_up(std::vector<Asked>& asked);
  void feed(std::vector<Asked>& asked);
  void fail(const MuAIError& error);
  void close(size_t index);
  bool cancelled() const { return config_.cancel && config_.cancel->cancelled(); }

  const DraftModel& model_;
  const ResolvedConfig& config_;
  std::vector<Text> texts_;
  std::unique_ptr<backend::Session> session_;  // a row for each text
  LogitScan scan_;
};

}  // namespace mm_orch::generation
