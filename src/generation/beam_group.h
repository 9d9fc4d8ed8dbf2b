// The beams of one prompt: the likeliest texts so far, which are followed together, and
// the best of those that have ended. Scores are sums of log probabilities; an ended text
// is judged by its score divided by length^length_penalty. Knows nothing of sessions.
// Source: the beam search of transformers, step by step and in float32, so that the same
// logits give the same tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generation/candidates.h"
#include "generation/generator.h"
#include "generation/logit_scan.h"

namespace mm_orch::generation {

class MM_ORCH_EXPORT BeamGroup {
 public:
  struct Beam {
    std::vector<int64_t> tokens;  // new ones
    float score;
    bool ended = false;
  };

  /// Both are kept by reference and outlive the group.
  BeamGroup(const ResolvedConfig& config, const std::vector<int64_t>& prompt);

  /// Takes the logits of each beam's next token, in the order of the beams; changes no beam, so all
  /// may be read again after a failure.
  /// @throws NumericFaultError  a NaN or infinite logit.
  /// @throws InvalidInputError  the vocabulary has too few tokens for so many beams.
  void read(size_t beam, std::span<const float> logits);

  /// Goes on with the best continuations of all beams.
  /// @return  for each new beam the index of the one it continues.
  std::vector<int32_t> advance();

  /// Nothing that is still followed can become the best text.
  bool done() const { return done_; }
  /// Always at the same place.
  std::span<const Beam> beams() const { return running_; }
  /// The best text that has ended; if there is none yet, the likeliest so far.
  const Beam& best() const;

 private:
  struct Continuation {
    float score;
    int32_t beam;
    int64_t token;
  };

  void process(const Beam& beam, std::span<float> scores) const;
  std::vector<Continuation> take_continuations();
  void keep_ended(std::span<const Continuation> continuations);
  void judge();
  bool ends(const Continuation& continuation) const;
  int64_t made() const { return static_cast<int64_t>(running_.front().tokens.size()); }

  const ResolvedConfig& config_;
  const std::vector<int64_t>& prompt_;
  const size_t beams_;
  const size_t kept_;  // continuations a step, enough for `beams_` that do not end
  std::vector<Beam> running_;
  std::vector<Beam> ended_;                  // the best first; at the start, none has ended
  std::vector<Continuation> continuations_;  // a heap, the worst on top
  bool improvable_ = true;
  bool done_ = false;
  LogitScan scan_;
  Weights weights_;
  std::vector<float> scores_;  // [V]
};

}  // namespace mm_orch::generation
