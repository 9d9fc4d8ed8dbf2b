// exp for probabilities: gives the same bits on every C library, so that a seed draws
// the same tokens everywhere.
#pragma once

#include <cstdint>

#include "generation/simd.h"

namespace mm_orch::generation {

/// e^x for x <= 0, relative error under 2e-7; 0 for x < -87.
/// Source: Cephes expf (Moshier), range reduction by ln 2 in two parts.
inline Floats exp_nonpositive(Floats x) {
  constexpr float kLowest = -87.0f;
  const Bits in_range = x >= kLowest;
  const Floats clamped = in_range ? x : Floats{kLowest, kLowest, kLowest, kLowest};
  // Truncation rounds to nearest here, as the argument is never positive.
  const Bits exponent = __builtin_convertvector(clamped * 1.44269504088896341f - 0.5f, Bits);
  const Floats n = __builtin_convertvector(exponent, Floats);
  const Floats r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * floats_of(((exponent + 127) << 23) & in_range);
}

inline float exp_nonpositive(float x) { return exp_nonpositive(Floats{x, x, x, x})[0]; }

}  // namespace mm_orch::generation
