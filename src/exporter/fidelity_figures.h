// The distance between two models' logits, gathered position by position: nothing is
// kept but sums.
#pragma once

#include <span>

#include "mm_orch/fidelity.h"

namespace mm_orch::exporter {

class MM_ORCH_EXPORT FidelityMeter {
 public:
  /// The logits [V] that both give at one position of a prompt; positions come in order. All of
  /// `reference` are finite.
  /// @return  false if a logit of `exported` is not; nothing is gathered then.
  bool add(int64_t position, std::span<const float> reference, std::span<const float> exported);

  /// At least one position was added.
  FidelityFigures figures() const;

 private:
  FidelityFigures sums_;
  int64_t agreements_ = 0;
};

}  // namespace mm_orch::exporter
