// Quantiles of positive values in bounded memory: a histogram whose buckets grow
// geometrically, so that every quantile is within kRelativeError of a value that was
// added. Values from 1 microsecond to 10^6 seconds are told apart; others count as the
// nearest of these. Source: Masson et al. 2019 (DDSketch).
#pragma once

#include <cstdint>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch::manager {

class MM_ORCH_EXPORT LatencySketch {
 public:
  static constexpr double kRelativeError = 0.01;

  LatencySketch();
  void add(double seconds);
  void add(const LatencySketch& other);
  /// @param q  in [0, 1]. @return NaN if nothing was added.
  double quantile(double q) const;
  int64_t count() const { return count_; }

 private:
  std::vector<int64_t> buckets_;
  int64_t count_ = 0;
};

}  // namespace mm_orch::manager
