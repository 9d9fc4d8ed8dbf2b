#include "kernels/attention.h"

#include <algorithm>
#include <limits>

#include "kernels/widen.h"

namespace mm_orch::torch_backend::kernels {
namespace {

constexpr int64_t kMostTogether = 4;  // heads whose sums fit into 32 registers

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

// Dot products of kHeads queries with kKeys keys that lie one after the other.
template <class Element, int kLanes, int kHeads, int kKeys>
MM_ORCH_INLINE void dots(const AttendArgs& a, const std::byte* k, float* scores, int64_t stride) {
  using S = Simd<kLanes>;
  const int64_t row_bytes = a.head_size * static_cast<int64_t>(sizeof(Element));
  typename S::Vector acc[kHeads][4] = {};
  int64_t i = 0;
  for (; i + kLanes <= a.head_size; i += kLanes) {
    typename S::Vector keys[kKeys];
    for (int j = 0; j < kKeys; ++j)
      keys[j] = Row<Element>::template load<kLanes>(k + j * row_bytes, i);
    for (int h = 0; h < kHeads; ++h) {
      const auto q = S::load(a.q + h * a.head_size + i);
      for (int j = 0; j < kKeys; ++j) acc[h][j] += q * keys[j];
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    float totals[4];
    if constexpr (kKeys == 4)
      S::sum_four(acc[h], totals);
    else
      totals[0] = S::sum(acc[h][0]);
    for (int j = 0; j < kKeys; ++j) {
      float total = totals[j];
      for (int64_t d = i; d < a.head_size; ++d)
        total += a.q[h * a.head_size + d] * Row<Element>::one(k + j * row_bytes, d);
      scores[h * stride + j] = total * a.scale;
    }
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
    S::store(scores + i, exp_nonpositive(S::load(scores + i) - max));
  typename S::Vector total = {};
  std::fill(scores + count, scores + padded, 0.0f);
  for (int64_t i = 0; i < padded; i += kLanes) total += S::load(scores + i);
  return S::sum(total);
}

// out[h, d : d + kVectors·kLanes] = Σ_j weight[h, j] · values[j], scaled.
template <class Element, int kLanes, int kHeads, int kVectors>
MM_ORCH_INLINE void weigh(const AttendArgs& a, int64_t stride, int64_t d,
                          const float (&scales)[kHeads]) {
  using S = Simd<kLanes>;
  const int64_t row_bytes = a.head_size * static_cast<int64_t>(sizeof(Element));
  typename S::Vector acc[kHeads][kVectors] = {};
  for_blocks(a.head, a.first, a.count, row_bytes,
             [&](int64_t offset, int64_t begin, int64_t rows) MM_ORCH_INLINE_LAMBDA {
               const std::byte* row = a.head.values + offset;
               for (int64_t j = begin; j < begin + rows; ++j, row += row_bytes)
                 for (int i = 0; i < kVectors; ++i) {
                   const auto values = Row<Element>::template load<kLanes>(row, d + i * kLanes);
                   for (int h = 0; h < kHeads; ++h) acc[h][i] += a.scores[h * stride + j] * values;
                 }
             });
  for (int h = 0; h < kHeads; ++h)
    for (int i = 0; i < kVectors; ++i)
      S::store(a.out + h * a.head_size + d + i * kLanes, acc[h][i] * scales[h]);
}

template <class Element, int kLanes, int kHeads>
MM_ORCH_INLINE void attend_heads(const AttendArgs& a) {
  const int64_t size = a.head_size;
  const int64_t row_bytes = size * static_cast<int64_t>(sizeof(Element));
  const int64_t stride = attend_scores(a.count);
  for_blocks(a.head, a.first, a.count, row_bytes,
             [&](int64_t offset, int64_t begin, int64_t rows) MM_ORCH_INLINE_LAMBDA {
               const std::byte* k = a.head.keys + offset;
               float* target = a.scores + begin;
               int64_t j = 0;
               for (; j + 4 <= rows; j += 4)
                 dots<Element, kLanes, kHeads, 4>(a, k + j * row_bytes, target + j, stride);
               for (; j < rows; ++j)
                 dots<Element, kLanes, kHeads, 1>(a, k + j * row_bytes, target + j, stride);
             });
  float normalizers[kHeads];
  for (int h = 0; h < kHeads; ++h) {
    float* scores = a.scores + h * stride;
    if (a.bias)
      for (int64_t i = 0; i < a.count; ++i) scores[i] += a.bias[h * a.bias_stride + i];
    normalizers[h] = 1.0f / exponentiate<kLanes>(scores, a.count);
  }

  int64_t d = 0;
  for (; d + 4 * kLanes <= size; d += 4 * kLanes)
    weigh<Element, kLanes, kHeads, 4>(a, stride, d, normalizers);
  for (; d + kLanes <= size; d += kLanes)
    weigh<Element, kLanes, kHeads, 1>(a, stride, d, normalizers);
  for (; d < size; ++d)
    for (int h = 0; h < kHeads; ++h) {
      float total = 0.0f;
      for_blocks(a.head, a.first, a.count, row_bytes,
                 [&](int64_t offset, int64_t begin, int64_t rows) MM_ORCH_INLINE_LAMBDA {
                   const std::byte* row = a.head.values + offset;
                   for (int64_t j = 0; j < rows; ++j)
                     total += a.scores[h * stride + begin + j] *
                              Row<Element>::one(row + j * row_bytes, d);
                 });
      a.out[h * size + d] = total * normalizers[h];
    }
}

template <class Element, int kLanes>
MM_ORCH_INLINE void attend_to(AttendArgs a) {
  while (a.heads > 0) {
    const int64_t heads = std::min(a.heads, kLanes == 16 ? kMostTogether : 1);
    if (heads == 4)
      attend_heads<Element, kLanes, 4>(a);
    else if (heads == 3)
      attend_heads<Element, kLanes, 3>(a);
    else if (heads == 2)
      attend_heads<Element, kLanes, 2>(a);
    else
      attend_heads<Element, kLanes, 1>(a);
    a.heads -= heads;
    a.q += heads * a.head_size;
    a.out += heads * a.head_size;
    if (a.bias) a.bias += heads * a.bias_stride;
  }
}

template <int kLanes>
MM_ORCH_INLINE void attend_body(const AttendArgs& args) {
  if (args.count <= 0)
    std::fill_n(args.out, args.heads * args.head_size, 0.0f);
  else if (args.head.dtype == DType::kF32)
    attend_to<float, kLanes>(args);
  else
    attend_to<uint16_t, kLanes>(args);
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
MM_ORCH_KERNEL(attend, attend_body, (const AttendArgs& args), (args))

}  // namespace mm_orch::torch_backend::kernels
