#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/widen.h"

namespace mm_orch::torch_backend::kernels {
namespace {

// A row of keys or values, of floats or of bfloat16.
template <class Element>
struct Row {
  template <int kLanes>
  MM_ORCH_INLINE static typename Simd<kLanes>::Vector load(const std::byte* row, int64_t i) {
    if constexpr (sizeof(Element) == 4)
      return Simd<kLanes>::load(reinterpret_cast<const float*>(row) + i);
    else
      return Widen<kLanes>::bf16(row + 2 * i);
  }
  MM_ORCH_INLINE static float one(const std::byte* row, int64_t i) {
    if constexpr (sizeof(Element) == 4)
      return load_as<float>(row + 4 * i);
    else
      return std::bit_cast<float>(uint32_t{load_as<uint16_t>(row + 2 * i)} << 16);
  }
};

// Calls f(offset of the rows in bytes, index of the first, their number) for the tokens
// [first, first + count), block by block.
template <class F>
MM_ORCH_INLINE void for_blocks(const CachedHead& head, int64_t first, int64_t count,
                               int64_t row_bytes, const F& f) {
  for (int64_t done = 0; done < count;) {
    const int64_t token = first + done;
    const int64_t within = token % head.block_tokens;
    const int64_t rows = std::min(head.block_tokens - within, count - done);
    f(head.blocks[token / head.block_tokens] * head.block_bytes + within * row_bytes, done, rows);
    done += rows;
  }
}

// Dot products of q with kKeys keys that lie one after the other.
template <class Element, int kLanes, int kKeys>
MM_ORCH_INLINE void dots(const float* q, const std::byte* k, int64_t head_size, float scale,
                         float* scores) {
  using S = Simd<kLanes>;
  const int64_t row_bytes = head_size * static_cast<int64_t>(sizeof(Element));
  typename S::Vector acc[kKeys] = {};
  int64_t i = 0;
  for (; i + kLanes <= head_size; i += kLanes) {
    const auto qv = S::load(q + i);
    for (int j = 0; j < kKeys; ++j)
      acc[j] += qv * Row<Element>::template load<kLanes>(k + j * row_bytes, i);
  }
  for (int j = 0; j < kKeys; ++j) {
    float total = S::sum(acc[j]);
    for (int64_t d = i; d < head_size; ++d) total += q[d] * Row<Element>::one(k + j * row_bytes, d);
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

// out[d : d + kVectors·kLanes] = Σ_j weight[j] · values[j], scaled.
template <class Element, int kLanes, int kVectors>
MM_ORCH_INLINE void weigh(const float* weights, const CachedHead& head, int64_t first,
                          int64_t count, int64_t head_size, int64_t d, float scale, float* out) {
  using S = Simd<kLanes>;
  const int64_t row_bytes = head_size * static_cast<int64_t>(sizeof(Element));
  typename S::Vector acc[kVectors] = {};
  for_blocks(head, first, count, row_bytes,
             [&](int64_t offset, int64_t begin, int64_t rows) MM_ORCH_INLINE_LAMBDA {
               const std::byte* row = head.values + offset;
               for (int64_t j = begin; j < begin + rows; ++j, row += row_bytes)
                 for (int i = 0; i < kVectors; ++i)
                   acc[i] += weights[j] * Row<Element>::template load<kLanes>(row, d + i * kLanes);
             });
  for (int i = 0; i < kVectors; ++i) S::store(out + d + i * kLanes, acc[i] * scale);
}

template <class Element, int kLanes>
MM_ORCH_INLINE void attend_to(const float* q, const CachedHead& head, int64_t first, int64_t count,
                              int64_t head_size, float scale, const float* bias, float* scores,
                              float* out) {
  const int64_t row_bytes = head_size * static_cast<int64_t>(sizeof(Element));
  for_blocks(head, first, count, row_bytes,
             [&](int64_t offset, int64_t begin, int64_t rows) MM_ORCH_INLINE_LAMBDA {
               const std::byte* k = head.keys + offset;
               float* target = scores + begin;
               int64_t j = 0;
               for (; j + 4 <= rows; j += 4)
                 dots<Element, kLanes, 4>(q, k + j * row_bytes, head_size, scale, target + j);
               for (; j < rows; ++j)
                 dots<Element, kLanes, 1>(q, k + j * row_bytes, head_size, scale, target + j);
             });
  if (bias)
    for (int64_t i = 0; i < count; ++i) scores[i] += bias[i];
  const float normalizer = 1.0f / exponentiate<kLanes>(scores, count);

  int64_t d = 0;
  for (; d + 4 * kLanes <= head_size; d += 4 * kLanes)
    weigh<Element, kLanes, 4>(scores, head, first, count, head_size, d, normalizer, out);
  for (; d + kLanes <= head_size; d += kLanes)
    weigh<Element, kLanes, 1>(scores, head, first, count, head_size, d, normalizer, out);
  for (; d < head_size; ++d) {
    float total = 0.0f;
    for_blocks(head, first, count, row_bytes,
               [&](int64_t offset, int64_t begin, int64_t rows) MM_ORCH_INLINE_LAMBDA {
                 const std::byte* row = head.values + offset;
                 for (int64_t j = 0; j < rows; ++j)
                   total += scores[begin + j] * Row<Element>::one(row + j * row_bytes, d);
               });
    out[d] = total * normalizer;
  }
}

template <int kLanes>
MM_ORCH_INLINE void attend_body(const float* q, const CachedHead& head, int64_t first,
                                int64_t count, int64_t head_size, float scale, const float* bias,
                                float* scores, float* out) {
  if (count <= 0)
    std::fill(out, out + head_size, 0.0f);
  else if (head.dtype == DType::kF32)
    attend_to<float, kLanes>(q, head, first, count, head_size, scale, bias, scores, out);
  else
    attend_to<uint16_t, kLanes>(q, head, first, count, head_size, scale, bias, scores, out);
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
               (const float* q, const CachedHead& head, int64_t first, int64_t count,
                int64_t head_size, float scale, const float* bias, float* scores, float* out),
               (q, head, first, count, head_size, scale, bias, scores, out))

}  // namespace mm_orch::torch_backend::kernels
