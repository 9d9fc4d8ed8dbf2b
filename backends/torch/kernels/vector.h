// A few floats as one value, as wide as a register of the instruction set at hand.
// Kernels are templates over the width; MM_ORCH_KERNEL makes one function for each
// instruction set out of them, and one that calls the best this processor has.
// Everything is inlined into those, so that each is compiled for its own set alone.
#pragma once

#include <bit>
#include <cstdint>

#include "base/vector_exp.h"

#define MM_ORCH_INLINE __attribute__((always_inline)) inline
#define MM_ORCH_INLINE_LAMBDA __attribute__((always_inline))

// Defines `name` with PARAMETERS (in parentheses), which calls body<lanes> with ARGUMENTS.
#if defined(__x86_64__)
#define MM_ORCH_KERNEL(name, body, PARAMETERS, ARGUMENTS)                             \
  __attribute__((target("arch=x86-64-v4"))) static void name##_v4 PARAMETERS {        \
    body<16> ARGUMENTS;                                                               \
  }                                                                                   \
  __attribute__((target("arch=x86-64-v3"))) static void name##_v3 PARAMETERS {        \
    body<8> ARGUMENTS;                                                                \
  }                                                                                   \
  static void name##_v1 PARAMETERS { body<4> ARGUMENTS; }                             \
  void name PARAMETERS {                                                              \
    static const auto best = has_v4() ? name##_v4 : has_v3() ? name##_v3 : name##_v1; \
    best ARGUMENTS;                                                                   \
  }
#else
#define MM_ORCH_KERNEL(name, body, PARAMETERS, ARGUMENTS) \
  void name PARAMETERS { body<4> ARGUMENTS; }
#endif

namespace mm_orch::torch_backend::kernels {

#if defined(__x86_64__)
inline bool has_v3() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
inline bool has_v4() {
  return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#endif

// g++ 12 takes no vector_size that depends on a template's parameter.
template <int kLanes>
struct VectorTypes;
#define MM_ORCH_VECTOR_TYPES(lanes)                                                         \
  template <>                                                                               \
  struct VectorTypes<lanes> {                                                               \
    typedef float Vector __attribute__((vector_size(lanes * 4)));                           \
    typedef int32_t Integers __attribute__((vector_size(lanes * 4)));                       \
    typedef float Unaligned __attribute__((vector_size(lanes * 4), aligned(1), may_alias)); \
  };
MM_ORCH_VECTOR_TYPES(4)
MM_ORCH_VECTOR_TYPES(8)
MM_ORCH_VECTOR_TYPES(16)
#undef MM_ORCH_VECTOR_TYPES

// Shuffles within each four elements of two vectors.
template <int kLanes>
struct FourLanes;
#define MM_ORCH_SHUFFLE(name, lanes, ...)                                               \
  MM_ORCH_INLINE static VectorTypes<lanes>::Vector name(VectorTypes<lanes>::Vector a,   \
                                                        VectorTypes<lanes>::Vector b) { \
    return __builtin_shufflevector(a, b, __VA_ARGS__);                                  \
  }
template <>
struct FourLanes<4> {
  MM_ORCH_SHUFFLE(interleave_low, 4, 0, 4, 1, 5)
  MM_ORCH_SHUFFLE(interleave_high, 4, 2, 6, 3, 7)
  MM_ORCH_SHUFFLE(low_halves, 4, 0, 1, 4, 5)
  MM_ORCH_SHUFFLE(high_halves, 4, 2, 3, 6, 7)
};
template <>
struct FourLanes<8> {
  MM_ORCH_SHUFFLE(interleave_low, 8, 0, 8, 1, 9, 4, 12, 5, 13)
  MM_ORCH_SHUFFLE(interleave_high, 8, 2, 10, 3, 11, 6, 14, 7, 15)
  MM_ORCH_SHUFFLE(low_halves, 8, 0, 1, 8, 9, 4, 5, 12, 13)
  MM_ORCH_SHUFFLE(high_halves, 8, 2, 3, 10, 11, 6, 7, 14, 15)
};
template <>
struct FourLanes<16> {
  MM_ORCH_SHUFFLE(interleave_low, 16, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
  MM_ORCH_SHUFFLE(interleave_high, 16, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
  MM_ORCH_SHUFFLE(low_halves, 16, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
  MM_ORCH_SHUFFLE(high_halves, 16, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
};
#undef MM_ORCH_SHUFFLE

template <int kLanes>
struct Simd {
  using Vector = typename VectorTypes<kLanes>::Vector;
  using Integers = typename VectorTypes<kLanes>::Integers;
  using Unaligned = typename VectorTypes<kLanes>::Unaligned;
  using Lanes = FourLanes<kLanes>;
  using Four = VectorTypes<4>::Vector;

  MM_ORCH_INLINE static Vector load(const float* p) {
    return *reinterpret_cast<const Unaligned*>(p);
  }
  MM_ORCH_INLINE static void store(float* p, Vector v) { *reinterpret_cast<Unaligned*>(p) = v; }

  /// The sum of every fourth element, from each of the first four on.
  MM_ORCH_INLINE static Four fold(Vector v) {
    if constexpr (kLanes == 4) {
      return v;
    } else {
      using Half = Simd<kLanes / 2>;
      struct Halves {
        typename Half::Vector low, high;
      };
      const auto halves = std::bit_cast<Halves>(v);
      return Half::fold(halves.low + halves.high);
    }
  }

  MM_ORCH_INLINE static float sum(Vector v) {
    const Four sums = fold(v);
    return (sums[0] + sums[2]) + (sums[1] + sums[3]);
  }

  /// The sums of four vectors, which are brought together first and then folded as one.
  MM_ORCH_INLINE static void sum_four(const Vector (&v)[4], float* sums) {
    const auto first = in_pairs(v[0], v[1]), second = in_pairs(v[2], v[3]);
    Simd<4>::store(sums,
                   fold(Lanes::low_halves(first, second) + Lanes::high_halves(first, second)));
  }

  /// 1 / (1 + e^-x)
  MM_ORCH_INLINE static Vector sigmoid(Vector x) {
    const auto e = exp_nonpositive(x < 0.0f ? x : -x);
    return (x < 0.0f ? e : e * 0.0f + 1.0f) / (1.0f + e);
  }

 private:
  MM_ORCH_INLINE static Vector in_pairs(Vector a, Vector b) {
    return Lanes::interleave_low(a, b) + Lanes::interleave_high(a, b);
  }
};

}  // namespace mm_orch::torch_backend::kernels
