// Stored numbers as vectors of wider ones. g++ 12 converts bytes to integers element by
// element, so that the instructions are named here; they are compiled for the sets of
// MM_ORCH_KERNEL alone.
#pragma once

#include <cstddef>
#include <cstring>

#include "base/half.h"
#include "kernels/vector.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mm_orch::torch_backend::kernels {

template <class T>
MM_ORCH_INLINE T load_as(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

template <int kLanes>
struct Widen {
  using S = Simd<kLanes>;

  /// kLanes unsigned or signed bytes.
  MM_ORCH_INLINE static typename S::Integers u8(const std::byte* p) { return each<uint8_t>(p); }
  MM_ORCH_INLINE static typename S::Integers i8(const std::byte* p) { return each<int8_t>(p); }
  MM_ORCH_INLINE static typename S::Vector bf16(const std::byte* p) {
    return std::bit_cast<typename S::Vector>(each<uint16_t>(p) << 16);
  }
  MM_ORCH_INLINE static typename S::Vector f16(const std::byte* p) {
    typename S::Vector out;
    for (int i = 0; i < kLanes; ++i) out[i] = half_to_float(load_as<uint16_t>(p + 2 * i));
    return out;
  }
  /// One half in all lanes.
  MM_ORCH_INLINE static typename S::Vector half(const std::byte* p) {
    return typename S::Vector{} + half_to_float(load_as<uint16_t>(p));
  }

 private:
  template <class T>
  MM_ORCH_INLINE static typename S::Integers each(const std::byte* p) {
    typename S::Integers out;
    for (int i = 0; i < kLanes; ++i) out[i] = load_as<T>(p + sizeof(T) * i);
    return out;
  }
};

#if defined(__x86_64__)
template <>
struct Widen<8> {
  using S = Simd<8>;

  MM_ORCH_INLINE static S::Integers u8(const std::byte* p) {
    return (S::Integers)__builtin_ia32_pmovzxbd256((__v16qi)eight(p));
  }
  MM_ORCH_INLINE static S::Integers i8(const std::byte* p) {
    return (S::Integers)__builtin_ia32_pmovsxbd256((__v16qi)eight(p));
  }
  MM_ORCH_INLINE static S::Vector bf16(const std::byte* p) {
    const auto wide = (S::Integers)__builtin_ia32_pmovzxwd256(load_as<__v8hi>(p));
    return std::bit_cast<S::Vector>(wide << 16);
  }
  MM_ORCH_INLINE static S::Vector f16(const std::byte* p) {
    return (S::Vector)__builtin_ia32_vcvtph2ps256(load_as<__v8hi>(p));
  }
  MM_ORCH_INLINE static S::Vector half(const std::byte* p) {
    return (S::Vector)__builtin_ia32_vcvtph2ps256(__v8hi{} + load_as<int16_t>(p));
  }

 private:
  MM_ORCH_INLINE static __v2di eight(const std::byte* p) { return __v2di{load_as<int64_t>(p), 0}; }
};

template <>
struct Widen<16> {
  using S = Simd<16>;
  static constexpr int kCurrentRounding = 4;

  MM_ORCH_INLINE static S::Integers u8(const std::byte* p) {
    return (S::Integers)__builtin_ia32_pmovzxbd512_mask(load_as<__v16qi>(p), __v16si{}, -1);
  }
  MM_ORCH_INLINE static S::Integers i8(const std::byte* p) {
    return (S::Integers)__builtin_ia32_pmovsxbd512_mask(load_as<__v16qi>(p), __v16si{}, -1);
  }
  MM_ORCH_INLINE static S::Vector bf16(const std::byte* p) {
    const auto wide =
        (S::Integers)__builtin_ia32_pmovzxwd512_mask(load_as<__v16hi>(p), __v16si{}, -1);
    return std::bit_cast<S::Vector>(wide << 16);
  }
  MM_ORCH_INLINE static S::Vector f16(const std::byte* p) { return convert(load_as<__v16hi>(p)); }
  MM_ORCH_INLINE static S::Vector half(const std::byte* p) {
    return convert(__v16hi{} + load_as<int16_t>(p));
  }

 private:
  MM_ORCH_INLINE static S::Vector convert(__v16hi halves) {
    return (S::Vector)__builtin_ia32_vcvtph2ps512_mask(halves, __v16sf{}, -1, kCurrentRounding);
  }
};
#endif

}  // namespace mm_orch::torch_backend::kernels
