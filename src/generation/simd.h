// Four floats at a time, in the vector types of GCC and Clang, where plain loops do not
// become vector code: the compiler may not reorder a maximum, nor drop a branch around
// arithmetic on floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mm_orch::generation {

inline constexpr size_t kLanes = 4;
using Floats = float __attribute__((vector_size(16)));
using Bits = int32_t __attribute__((vector_size(16)));

inline Floats load(const float* values) {
  Floats loaded;
  std::memcpy(&loaded, values, sizeof(loaded));
  return loaded;
}

inline void store(float* values, Floats stored) { std::memcpy(values, &stored, sizeof(stored)); }

inline Bits bits_of(Floats values) { return reinterpret_cast<Bits>(values); }
inline Floats floats_of(Bits bits) { return reinterpret_cast<Floats>(bits); }

}  // namespace mm_orch::generation
