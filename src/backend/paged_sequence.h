// A sequence over a paged cache, and who computes its steps.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/block_table.h"
#include "backend/step_costs.h"

namespace mm_orch::backend {

struct PagedSequence {
  BlockTable table;
  std::vector<int64_t> tokens;  // all so far, those of the next step included
  int64_t computed = 0;         // of them, that the cache holds; less than all before a step
  int64_t logits = 1;           // of how many of the last ones the step shall give logits
  std::shared_ptr<const EncodedSource> source;  // of an encoder-decoder model

  int64_t missing() const { return static_cast<int64_t>(tokens.size()) - computed; }
};

/// Computes what sequences miss. Used by one session, from one thread.
class SequenceStepper {
 public:
  virtual ~SequenceStepper() = default;
  /// @param logits  receives float32 [sum of PagedSequence::logits, V], sequence after sequence.
  /// @throws as PagedRunner::step; OutOfMemoryError if the cache cannot hold the sequences. What
  ///         was computed before stays.
  virtual void step(std::span<PagedSequence* const> sequences, std::vector<float>& logits) = 0;
  /// Between a session's calls, until `wake`: `sequences`, all that it has, are not touched by its
  /// thread, so that others may take their blocks. They are computed again when they are needed.
  /// They stay where they are until the next call of it: those that a step leaves out may lose
  /// their blocks too.
  virtual void rest(std::span<PagedSequence> /*sequences*/) {}
  virtual void wake() {}
  /// As PagedRunner::read_sources.
  virtual std::vector<std::shared_ptr<const EncodedSource>> read_sources(
      const std::vector<std::span<const int64_t>>& texts) = 0;
  /// Of the session's next step.
  virtual StepOutlook outlook() const { return {}; }
};

/// At once, in the caller's thread.
class MM_ORCH_EXPORT DirectStepper : public SequenceStepper {
 public:
  explicit DirectStepper(PagedRunner& runner) : runner_(runner) {}
  void step(std::span<PagedSequence* const> sequences, std::vector<float>& logits) override;
  std::vector<std::shared_ptr<const EncodedSource>> read_sources(
      const std::vector<std::span<const int64_t>>& texts) override {
    return runner_.read_sources(texts);
  }

 private:
  PagedRunner& runner_;
};

/// The error of a cache that is too small for what is asked.
[[noreturn]] MM_ORCH_EXPORT void throw_cache_full(const PagedRunner& runner);

}  // namespace mm_orch::backend
