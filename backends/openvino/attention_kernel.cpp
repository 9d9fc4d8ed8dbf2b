#include "attention_kernel.h"

#include <algorithm>
#include <limits>

#include "base/vector_exp.h"

#if defined(__x86_64__)
#define MM_ORCH_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MM_ORCH_CLONES
#endif
#define MM_ORCH_INLINE __attribute__((always_inline)) inline

namespace mm_orch::openvino {
namespace {

constexpr int64_t kLanes = 16;
typedef float Floats __attribute__((vector_size(64)));
typedef float Unaligned __attribute__((vector_size(64), aligned(4), may_alias));

MM_ORCH_INLINE Floats load(const float* p) { return *reinterpret_cast<const Unaligned*>(p); }
MM_ORCH_INLINE void store(float* p, Floats v) { *reinterpret_cast<Unaligned*>(p) = v; }

MM_ORCH_INLINE void add_scores(const float* q, const float* keys, int64_t size, float* scores) {
  Floats even[2] = {load(scores), load(scores + kLanes)};
  Floats odd[2] = {};
  int64_t d = 0;
  for (; d + 1 < size; d += 2, keys += 2 * kKeysPerBlock) {
    even[0] += q[d] * load(keys);
    even[1] += q[d] * load(keys + kLanes);
    odd[0] += q[d + 1] * load(keys + kKeysPerBlock);
    odd[1] += q[d + 1] * load(keys + kKeysPerBlock + kLanes);
  }
  for (; d < size; ++d, keys += kKeysPerBlock) {
    even[0] += q[d] * load(keys);
    even[1] += q[d] * load(keys + kLanes);
  }
  store(scores, even[0] + odd[0]);
  store(scores + kLanes, even[1] + odd[1]);
}

MM_ORCH_INLINE float sum_of(Floats v) {
  float sum = 0;
  for (int64_t i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// Returns their sum.
MM_ORCH_INLINE float exponentials(float* scores, int64_t count) {
  const int64_t end = (count + kLanes - 1) / kLanes * kLanes;
  std::fill(scores + count, scores + end, -std::numeric_limits<float>::infinity());
  Floats highest = load(scores);
  for (int64_t t = kLanes; t < end; t += kLanes) {
    const Floats x = load(scores + t);
    highest = x > highest ? x : highest;
  }
  float top = highest[0];
  for (int64_t i = 1; i < kLanes; ++i) top = std::max(top, highest[i]);
  Floats sum{};
  for (int64_t t = 0; t < end; t += kLanes) {
    const Floats e = exp_nonpositive(load(scores + t) - top);
    store(scores + t, e);
    sum += e;
  }
  return sum_of(sum);
}

template <int kVectors>
MM_ORCH_INLINE void add_values(const float* weights, const float* values, int64_t count,
                               int64_t size, float* out) {
  Floats sums[kVectors];
  for (int v = 0; v < kVectors; ++v) sums[v] = load(out + v * kLanes);
  for (int64_t t = 0; t < count; ++t, values += size)
    for (int v = 0; v < kVectors; ++v) sums[v] += weights[t] * load(values + v * kLanes);
  for (int v = 0; v < kVectors; ++v) store(out + v * kLanes, sums[v]);
}

}  // namespace

void put(float* block, int64_t token, int64_t size, const float* key, const float* value) {
  for (int64_t d = 0; d < size; ++d) block[d * kKeysPerBlock + token] = key[d];
  std::copy_n(value, size, block + kKeysPerBlock * size + token * size);
}

MM_ORCH_CLONES
void attend(const float* q, const HeadBlocks& head, int64_t count, int64_t size, float* scores,
            float* out) {
  for (int64_t t = 0; t < count; t += kKeysPerBlock)
    add_scores(q, head.block(t / kKeysPerBlock), size, scores + t);
  const float sum = exponentials(scores, count);
  std::fill_n(out, size, 0.0f);
  for (int64_t t = 0; t < count; t += kKeysPerBlock) {
    const float* values = head.block(t / kKeysPerBlock) + kKeysPerBlock * size;
    const int64_t fed = std::min(kKeysPerBlock, count - t);
    int64_t d = 0;
    for (; d + 4 * kLanes <= size; d += 4 * kLanes)
      add_values<4>(scores + t, values + d, fed, size, out + d);
    for (; d + kLanes <= size; d += kLanes)
      add_values<1>(scores + t, values + d, fed, size, out + d);
    for (; d < size; ++d)
      for (int64_t i = 0; i < fed; ++i) out[d] += scores[t + i] * values[i * size + d];
  }
  for (int64_t d = 0; d < size; ++d) out[d] /= sum;
}

}  // namespace mm_orch::openvino
