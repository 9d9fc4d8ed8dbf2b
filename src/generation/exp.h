// exp for probabilities: compiles to vector code and gives the same bits on every C
// library, so that a seed draws the same tokens everywhere.
#pragma once

#include <bit>
#include <cstdint>

namespace mm_orch::generation {

/// e^x for x <= 0, relative error under 2e-7; 0 for x < -87.
/// Source: Cephes expf (Moshier), range reduction by ln 2 in two parts.
inline float exp_nonpositive(float x) {
  const float clamped = x < -87.0f ? -87.0f : x;
  const float scaled = clamped * 1.44269504088896341f;
  const int32_t exponent = static_cast<int32_t>(scaled - 0.5f);  // rounds, as scaled <= 0
  const float n = static_cast<float>(exponent);
  const float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float power = std::bit_cast<float>((exponent + 127) << 23);
  return x < -87.0f ? 0.0f : p * power;
}

}  // namespace mm_orch::generation
