// From the logits of one sequence's next position to its token. Processors and filters
// run in the order of transformers: repetition penalty, minimum length, temperature,
// top-k, top-p, min-p. One Sampler per sequence; it owns the sequence's random state,
// so a generation can change its session and go on with the same draws.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generation/candidates.h"
#include "generation/generator.h"
#include "generation/logit_scan.h"
#include "generation/random.h"

namespace mm_orch::generation {

class MM_ORCH_EXPORT Sampler {
 public:
  /// @param config  kept by reference; outlives the sampler.
  /// @param prompt  the prompt's ids, which count as seen for the repetition penalty.
  Sampler(const ResolvedConfig& config, uint64_t sequence, std::span<const int64_t> prompt);

  /// Takes the logits of the next token; changes neither random state nor history, so it may be
  /// repeated after a failure.
  /// @param logits  float32 [V]; stays valid until choose().
  /// @throws NumericFaultError  a NaN or infinite logit.
  /// @throws InvalidInputError  min_new_tokens forbids the only tokens there are.
  void read(std::span<const float> logits);

  /// The tokens that sampling may draw now, by ascending id.
  std::span<const Candidate> candidates();

  /// Chooses the next token from what was read, and counts it as generated.
  int64_t choose();

 private:
  void process(std::span<const float> logits);
  void see(int64_t token);
  bool limits_top_k() const;
  void collect_nucleus();
  int64_t draw();
  int64_t draw_from_all();

  const ResolvedConfig& config_;
  RandomStream random_;
  int64_t generated_ = 0;
  std::vector<int64_t> seen_;      // distinct ids, prompt included
  std::vector<bool> is_seen_;      // by id, grown as needed
  std::vector<float> processed_;   // [V], if a processor is active
  std::span<const float> logits_;  // what was read, processed
  LogitScan scan_;
  Weights weights_;
  std::vector<Candidate> candidates_;
};

}  // namespace mm_orch::generation
