#include "kernels/rowwise.h"

#include <cmath>

#include "kernels/vector.h"

namespace mm_orch::torch_backend::kernels {
namespace {

MM_ORCH_INLINE float total(const float* x, int64_t n) {
  Vector acc = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) acc += load(x + i);
  float result = sum(acc);
  for (; i < n; ++i) result += x[i];
  return result;
}

MM_ORCH_INLINE float squares(const float* x, float mean, int64_t n) {
  Vector acc = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vector d = load(x + i) - mean;
    acc += d * d;
  }
  float result = sum(acc);
  for (; i < n; ++i) result += (x[i] - mean) * (x[i] - mean);
  return result;
}

}  // namespace

MM_ORCH_CLONES void layer_norm(const float* x, const float* weight, const float* bias,
                               float epsilon, int64_t n, float* y) {
  const float mean = total(x, n) / static_cast<float>(n);
  const float variance = squares(x, mean, n) / static_cast<float>(n);
  const float scale = 1.0f / std::sqrt(variance + epsilon);
  for (int64_t i = 0; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i];
  if (!bias) return;
  for (int64_t i = 0; i < n; ++i) y[i] += bias[i];
}

MM_ORCH_CLONES void rms_norm(const float* x, const float* weight, float epsilon, int64_t n,
                             float* y) {
  const float scale = 1.0f / std::sqrt(squares(x, 0.0f, n) / static_cast<float>(n) + epsilon);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale * weight[i];
}

MM_ORCH_CLONES void add(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

MM_ORCH_CLONES void multiply(const float* a, const float* b, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

MM_ORCH_CLONES void rotate(const float* x, const float* cos, const float* sin, int64_t half,
                           float* y) {
  for (int64_t i = 0; i < half; ++i) {
    y[i] = x[i] * cos[i] - x[half + i] * sin[i];
    y[half + i] = x[half + i] * cos[i] + x[i] * sin[i];
  }
}

}  // namespace mm_orch::torch_backend::kernels
