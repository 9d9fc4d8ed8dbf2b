#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/vector.h"

namespace mm_orch::torch_backend::kernels {
namespace {

// Dot products of q with kKeys keys that lie one after the other.
template <int kKeys>
MM_ORCH_INLINE void dots(const float* q, const float* k, int64_t head_size, float scale,
                         float* scores) {
  Vector acc[kKeys] = {};
  int64_t i = 0;
  for (; i + kLanes <= head_size; i += kLanes) {
    const Vector qv = load(q + i);
    for (int j = 0; j < kKeys; ++j) acc[j] += qv * load(k + j * head_size + i);
  }
  for (int j = 0; j < kKeys; ++j) {
    float total = sum(acc[j]);
    for (int64_t d = i; d < head_size; ++d) total += q[d] * k[j * head_size + d];
    scores[j] = total * scale;
  }
}

// scores become e^(score - max); returns their sum.
MM_ORCH_INLINE float exponentiate(float* scores, int64_t count) {
  const float lowest = -std::numeric_limits<float>::infinity();
  const int64_t padded = (count + kLanes - 1) / kLanes * kLanes;
  std::fill(scores + count, scores + padded, lowest);
  float max = lowest;
  for (int64_t i = 0; i < count; ++i) max = std::max(max, scores[i]);
  for (int64_t i = 0; i < padded; i += kLanes)
    store(scores + i, exp_nonpositive(load(scores + i) - max));
  Vector total = {};
  std::fill(scores + count, scores + padded, 0.0f);
  for (int64_t i = 0; i < padded; i += kLanes) total += load(scores + i);
  return sum(total);
}

// out[0 : kVectors·16] = Σ_j weight[j] · values[j], scaled.
template <int kVectors>
MM_ORCH_INLINE void weigh(const float* weights, const float* values, int64_t count,
                          int64_t head_size, float scale, float* out) {
  Vector acc[kVectors] = {};
  for (int64_t j = 0; j < count; ++j) {
    const float* v = values + j * head_size;
    for (int i = 0; i < kVectors; ++i) acc[i] += weights[j] * load(v + i * kLanes);
  }
  for (int i = 0; i < kVectors; ++i) store(out + i * kLanes, acc[i] * scale);
}

}  // namespace

MM_ORCH_CLONES void attend(const float* q, const float* keys, const float* values, int64_t count,
                           int64_t head_size, float scale, float* scores, float* out) {
  if (count <= 0) {
    std::fill(out, out + head_size, 0.0f);
    return;
  }
  int64_t j = 0;
  for (; j + 4 <= count; j += 4) dots<4>(q, keys + j * head_size, head_size, scale, scores + j);
  for (; j < count; ++j) dots<1>(q, keys + j * head_size, head_size, scale, scores + j);
  const float normalizer = 1.0f / exponentiate(scores, count);

  int64_t d = 0;
  for (; d + 4 * kLanes <= head_size; d += 4 * kLanes)
    weigh<4>(scores, values + d, count, head_size, normalizer, out + d);
  for (; d + kLanes <= head_size; d += kLanes)
    weigh<1>(scores, values + d, count, head_size, normalizer, out + d);
  for (; d < head_size; ++d) {
    float total = 0.0f;
    for (int64_t i = 0; i < count; ++i) total += scores[i] * values[i * head_size + d];
    out[d] = total * normalizer;
  }
}

}  // namespace mm_orch::torch_backend::kernels
