#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/vector.h"

namespace mm_orch::torch_backend::kernels {
namespace {

// Dot products of q with kKeys keys that lie one after the other.
template <int kLanes, int kKeys>
MM_ORCH_INLINE void dots(const float* q, const float* k, int64_t head_size, float scale,
                         float* scores) {
  using S = Simd<kLanes>;
  typename S::Vector acc[kKeys] = {};
  int64_t i = 0;
  for (; i + kLanes <= head_size; i += kLanes) {
    const auto qv = S::load(q + i);
    for (int j = 0; j < kKeys; ++j) acc[j] += qv * S::load(k + j * head_size + i);
  }
  for (int j = 0; j < kKeys; ++j) {
    float total = S::sum(acc[j]);
    for (int64_t d = i; d < head_size; ++d) total += q[d] * k[j * head_size + d];
    scores[j] = total * scale;
  }
}

// scores become e^(score - max); returns their sum.
template <int kLanes>
MM_ORCH_INLINE float exponentiate(float* scores, int64_t count) {
  using S = Simd<kLanes>;
  const float lowest = -std::numeric_limits<float>::infinity();
  const int64_t padded = (count + kLanes - 1) / kLanes * kLanes;
  std::fill(scores + count, scores + padded, lowest);
  auto highest = typename S::Vector{} + lowest;
  for (int64_t i = 0; i < padded; i += kLanes) {
    const auto v = S::load(scores + i);
    highest = v > highest ? v : highest;
  }
  float max = highest[0];
  for (int i = 1; i < kLanes; ++i) max = std::max(max, highest[i]);
  for (int64_t i = 0; i < padded; i += kLanes)
    S::store(scores + i, S::exp_nonpositive(S::load(scores + i) - max));
  typename S::Vector total = {};
  std::fill(scores + count, scores + padded, 0.0f);
  for (int64_t i = 0; i < padded; i += kLanes) total += S::load(scores + i);
  return S::sum(total);
}

// out[0 : kVectors·kLanes] = Σ_j weight[j] · values[j], scaled.
template <int kLanes, int kVectors>
MM_ORCH_INLINE void weigh(const float* weights, const float* values, int64_t count,
                          int64_t head_size, float scale, float* out) {
  using S = Simd<kLanes>;
  typename S::Vector acc[kVectors] = {};
  for (int64_t j = 0; j < count; ++j) {
    const float* v = values + j * head_size;
    for (int i = 0; i < kVectors; ++i) acc[i] += weights[j] * S::load(v + i * kLanes);
  }
  for (int i = 0; i < kVectors; ++i) S::store(out + i * kLanes, acc[i] * scale);
}

template <int kLanes>
MM_ORCH_INLINE void attend_body(const float* q, const float* keys, const float* values,
                                int64_t count, int64_t head_size, float scale, const float* bias,
                                float* scores, float* out) {
  if (count <= 0) {
    std::fill(out, out + head_size, 0.0f);
    return;
  }
  int64_t j = 0;
  for (; j + 4 <= count; j += 4)
    dots<kLanes, 4>(q, keys + j * head_size, head_size, scale, scores + j);
  for (; j < count; ++j) dots<kLanes, 1>(q, keys + j * head_size, head_size, scale, scores + j);
  if (bias)
    for (int64_t i = 0; i < count; ++i) scores[i] += bias[i];
  const float normalizer = 1.0f / exponentiate<kLanes>(scores, count);

  int64_t d = 0;
  for (; d + 4 * kLanes <= head_size; d += 4 * kLanes)
    weigh<kLanes, 4>(scores, values + d, count, head_size, normalizer, out + d);
  for (; d + kLanes <= head_size; d += kLanes)
    weigh<kLanes, 1>(scores, values + d, count, head_size, normalizer, out + d);
  for (; d < head_size; ++d) {
    float total = 0.0f;
    for (int64_t i = 0; i < count; ++i) total += scores[i] * values[i * head_size + d];
    out[d] = total * normalizer;
  }
}

template <int kLanes>
MM_ORCH_INLINE void softmax_body(float* scores, int64_t count, float scale, const float* bias) {
  for (int64_t i = 0; i < count; ++i) scores[i] *= scale;
  if (bias)
    for (int64_t i = 0; i < count; ++i) scores[i] += bias[i];
  const float normalizer = 1.0f / exponentiate<kLanes>(scores, count);
  for (int64_t i = 0; i < count; ++i) scores[i] *= normalizer;
}

}  // namespace

MM_ORCH_KERNEL(softmax, softmax_body,
               (float* scores, int64_t count, float scale, const float* bias),
               (scores, count, scale, bias))
MM_ORCH_KERNEL(attend, attend_body,
               (const float* q, const float* keys, const float* values, int64_t count,
                int64_t head_size, float scale, const float* bias, float* scores, float* out),
               (q, keys, values, count, head_size, scale, bias, scores, out))

}  // namespace mm_orch::torch_backend::kernels
