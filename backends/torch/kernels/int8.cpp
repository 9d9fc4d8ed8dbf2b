#include "kernels/int8.h"

#include <algorithm>
#include <cmath>

#include "kernels/int8_tile.h"

namespace mm_orch::torch_backend::kernels {

void to_q8_0(const float* x, int64_t n, std::byte* out) {
  for (int64_t block = 0; block < n / 32; ++block, x += 32, out += 34) {
    float largest = 0.0f;
    for (int i = 0; i < 32; ++i) largest = std::max(largest, std::abs(x[i]));
    const uint16_t scale = float_to_half(largest / 127.0f);
    std::memcpy(out, &scale, sizeof scale);
    const float stored = half_to_float(scale);
    const float inverse = stored > 0.0f ? 1.0f / stored : 0.0f;
    for (int i = 0; i < 32; ++i)
      out[2 + i] = static_cast<std::byte>(
          static_cast<int8_t>(std::clamp(std::nearbyint(x[i] * inverse), -127.0f, 127.0f)));
  }
}

#if defined(__x86_64__)

namespace {

#define MM_ORCH_VNNI_512 __attribute__((target("arch=x86-64-v4,avx512vnni")))
#define MM_ORCH_VNNI_256 __attribute__((target("arch=x86-64-v3,avxvnni")))

MM_ORCH_VNNI_512 void to_int8_512(const float* x, int64_t n, Int8Group* out) {
  to_int8_body(x, n, out);
}
MM_ORCH_VNNI_256 void to_int8_256(const float* x, int64_t n, Int8Group* out) {
  to_int8_body(x, n, out);
}
MM_ORCH_VNNI_512 void int8_linear_512(const Int8Args& args, int64_t first, int64_t last) {
  int8_linear_body<16, 8>(args, first, last);
}
MM_ORCH_VNNI_256 void int8_linear_256(const Int8Args& args, int64_t first, int64_t last) {
  int8_linear_body<8, 2>(args, first, last);
}
MM_ORCH_VNNI_512 void int8_gated_512(const Int8GatedArgs& args, int64_t first, int64_t last) {
  int8_gated_body<16, 8>(args, first, last);
}
MM_ORCH_VNNI_256 void int8_gated_256(const Int8GatedArgs& args, int64_t first, int64_t last) {
  int8_gated_body<8, 2>(args, first, last);
}

bool has_512() { return has_v4() && __builtin_cpu_supports("avx512vnni"); }

}  // namespace

bool has_vnni() {
  static const bool result = has_512() || (has_v3() && __builtin_cpu_supports("avxvnni"));
  return result;
}

void to_int8(const float* x, int64_t n, Int8Group* out) {
  static const auto best = has_512() ? to_int8_512 : to_int8_256;
  best(x, n, out);
}

void int8_linear(const Int8Args& args, int64_t first, int64_t last) {
  static const auto best = has_512() ? int8_linear_512 : int8_linear_256;
  best(args, first, last);
}

void int8_gated(const Int8GatedArgs& args, int64_t first, int64_t last) {
  static const auto best = has_512() ? int8_gated_512 : int8_gated_256;
  best(args, first, last);
}

#else

bool has_vnni() { return false; }
void to_int8(const float*, int64_t, Int8Group*) {}
void int8_linear(const Int8Args&, int64_t, int64_t) {}
void int8_gated(const Int8GatedArgs&, int64_t, int64_t) {}

#endif

}  // namespace mm_orch::torch_backend::kernels
