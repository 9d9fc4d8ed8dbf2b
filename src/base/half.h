// IEEE half precision → float.
#pragma once

#include <bit>
#include <cstdint>

namespace mm_orch {

/// Without branches, so that loops over it vectorise. Subnormals are made by a
/// subtraction, which is exact and never touches a slow float32 subnormal.
inline float half_to_float(uint16_t half) {
  const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const float offset = std::bit_cast<float>(113u << 23);
  const uint32_t subnormal =
      std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude + (113u << 23)) - offset);
  const uint32_t normal = magnitude + (112u << 23);
  const uint32_t infinite = magnitude + (224u << 23);
  const uint32_t finite = magnitude < (1u << 23) ? subnormal : normal;
  return std::bit_cast<float>(sign | (magnitude >= (31u << 23) ? infinite : finite));
}

}  // namespace mm_orch
