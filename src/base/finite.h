// Whether numbers are numbers: NaN or Inf in an output is a fault of its backend.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>

namespace mm_orch {

inline bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

}  // namespace mm_orch
