// Sixteen floats as one value: a zmm register with AVX-512, two ymm with AVX2. Everything is
// inlined into functions marked MM_ORCH_CLONES, which the loader picks from by the CPU at hand.
#pragma once

#include <bit>
#include <cstdint>

#if defined(__x86_64__)
#define MM_ORCH_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MM_ORCH_CLONES
#endif
#define MM_ORCH_INLINE __attribute__((always_inline)) inline

namespace mm_orch::torch_backend::kernels {

inline constexpr int64_t kLanes = 16;

using Vector = float __attribute__((vector_size(64)));
using IntVector = int32_t __attribute__((vector_size(64)));
using UnalignedVector = float __attribute__((vector_size(64), aligned(4), may_alias));

MM_ORCH_INLINE Vector load(const float* p) { return *reinterpret_cast<const UnalignedVector*>(p); }
MM_ORCH_INLINE void store(float* p, Vector v) { *reinterpret_cast<UnalignedVector*>(p) = v; }

MM_ORCH_INLINE float sum(Vector v) {
  const auto v8 = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                  __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const auto v4 =
      __builtin_shufflevector(v8, v8, 0, 1, 2, 3) + __builtin_shufflevector(v8, v8, 4, 5, 6, 7);
  return (v4[0] + v4[2]) + (v4[1] + v4[3]);
}

/// e^x within 2 ulp for x <= 0 (clamped at -87), as softmax needs it.
/// Source: Cephes expf (Moshier): range reduction by ln 2, polynomial of degree 5.
MM_ORCH_INLINE Vector exp_nonpositive(Vector x) {
  const Vector lowest = Vector{} - 87.0f;
  x = x < lowest ? lowest : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const Vector n = (x * 1.44269504088896341f + magic) - magic;
  const Vector r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Vector p = Vector{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const IntVector exponent = (__builtin_convertvector(n, IntVector) + 127) << 23;
  return p * std::bit_cast<Vector>(exponent);
}

}  // namespace mm_orch::torch_backend::kernels
