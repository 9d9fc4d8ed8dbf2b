// exp of vectors of floats, as the attention kernels need it. What it computes differs in the last
// bits between processors; sampling has a form that does not (generation/exp.h).
#pragma once

#include <bit>

namespace mm_orch {

/// e^x within 2 ulp for x <= 0 (clamped at -87). `Floats` has g++'s vector_size. Always inlined, so
/// that it is compiled for the instruction set of the kernel that calls it.
/// Source: Cephes expf (Moshier): range reduction by ln 2, polynomial of degree 5.
template <class Floats>
__attribute__((always_inline)) inline Floats exp_nonpositive(Floats x) {
  using Integers = decltype(x < x);  // as wide
  const Floats lowest = Floats{} - 87.0f;
  x = x < lowest ? lowest : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const Floats n = (x * 1.44269504088896341f + magic) - magic;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = Floats{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const Integers exponent = (__builtin_convertvector(n, Integers) + 127) << 23;
  return p * std::bit_cast<Floats>(exponent);
}

}  // namespace mm_orch
