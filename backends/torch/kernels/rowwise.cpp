#include "kernels/rowwise.h"

#include <cmath>

#include "kernels/vector.h"

namespace mm_orch::torch_backend::kernels {
namespace {

template <int kLanes>
MM_ORCH_INLINE float total(const float* x, int64_t n) {
  using S = Simd<kLanes>;
  typename S::Vector acc = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) acc += S::load(x + i);
  float result = S::sum(acc);
  for (; i < n; ++i) result += x[i];
  return result;
}

template <int kLanes>
MM_ORCH_INLINE float squares(const float* x, float mean, int64_t n) {
  using S = Simd<kLanes>;
  typename S::Vector acc = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const auto d = S::load(x + i) - mean;
    acc += d * d;
  }
  float result = S::sum(acc);
  for (; i < n; ++i) result += (x[i] - mean) * (x[i] - mean);
  return result;
}

template <int kLanes>
MM_ORCH_INLINE void layer_norm_body(const float* x, const float* weight, const float* bias,
                                    float epsilon, int64_t n, float* y) {
  const float mean = total<kLanes>(x, n) / static_cast<float>(n);
  const float variance = squares<kLanes>(x, mean, n) / static_cast<float>(n);
  const float scale = 1.0f / std::sqrt(variance + epsilon);
  for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i];
  if (!bias) return;
  for (int64_t i = 0; i < n; ++i) y[i] += bias[i];
}

template <int kLanes>
MM_ORCH_INLINE void rms_norm_body(const float* x, const float* weight, float epsilon, int64_t n,
                                  float* y) {
  const float scale =
      1.0f / std::sqrt(squares<kLanes>(x, 0.0f, n) / static_cast<float>(n) + epsilon);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
}

template <int kLanes>
MM_ORCH_INLINE void add_body(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

template <int kLanes>
MM_ORCH_INLINE void multiply_body(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

template <int kLanes>
MM_ORCH_INLINE void relu_body(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

template <int kLanes>
MM_ORCH_INLINE void scale_body(const float* x, float factor, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = factor * x[i];
}

template <int kLanes>
MM_ORCH_INLINE void rotate_body(const float* x, const float* cos, const float* sin, int64_t half,
                                float* y) {
  for (int64_t i = 0; i < half; ++i) {
    y[i] = x[i] * cos[i] - x[half + i] * sin[i];
    y[half + i] = x[half + i] * cos[i] + x[i] * sin[i];
  }
}

// y[i] = f(x[i]), the last few through a vector that is not full.
template <int kLanes, class F>
MM_ORCH_INLINE void each(const float* x, int64_t n, float* y, const F& f) {
  using S = Simd<kLanes>;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) S::store(y + i, f(S::load(x + i)));
  if (i == n) return;
  float rest[kLanes] = {};
  for (int64_t j = i; j < n; ++j) rest[j - i] = x[j];
  S::store(rest, f(S::load(rest)));
  for (int64_t j = i; j < n; ++j) y[j] = rest[j - i];
}

template <int kLanes>
MM_ORCH_INLINE void silu_body(const float* x, int64_t n, float* y) {
  using Vector = typename Simd<kLanes>::Vector;
  each<kLanes>(x, n, y,
               [](Vector v) MM_ORCH_INLINE_LAMBDA { return v * Simd<kLanes>::sigmoid(v); });
}

template <int kLanes>
MM_ORCH_INLINE void gelu_tanh_body(const float* x, int64_t n, float* y) {
  using Vector = typename Simd<kLanes>::Vector;
  // (1 + tanh(u)) / 2 is the sigmoid of 2u.
  each<kLanes>(x, n, y, [](Vector v) MM_ORCH_INLINE_LAMBDA {
    return v * Simd<kLanes>::sigmoid(1.5957691216057308f * (v + 0.044715f * v * v * v));
  });
}

}  // namespace

MM_ORCH_KERNEL(silu, silu_body, (const float* x, int64_t n, float* y), (x, n, y))
MM_ORCH_KERNEL(gelu_tanh, gelu_tanh_body, (const float* x, int64_t n, float* y), (x, n, y))
MM_ORCH_KERNEL(layer_norm, layer_norm_body,
               (const float* x, const float* weight, const float* bias, float epsilon, int64_t n,
                float* y),
               (x, weight, bias, epsilon, n, y))
MM_ORCH_KERNEL(rms_norm, rms_norm_body,
               (const float* x, const float* weight, float epsilon, int64_t n, float* y),
               (x, weight, epsilon, n, y))
MM_ORCH_KERNEL(add, add_body, (const float* a, const float* b, int64_t n, float* y), (a, b, n, y))
MM_ORCH_KERNEL(multiply, multiply_body, (const float* a, const float* b, int64_t n, float* y),
               (a, b, n, y))
MM_ORCH_KERNEL(relu, relu_body, (const float* x, int64_t n, float* y), (x, n, y))
MM_ORCH_KERNEL(scale, scale_body, (const float* x, float factor, int64_t n, float* y),
               (x, factor, n, y))
MM_ORCH_KERNEL(rotate, rotate_body,
               (const float* x, const float* cos, const float* sin, int64_t half, float* y),
               (x, cos, sin, half, y))

}  // namespace mm_orch::torch_backend::kernels
