// Keys and values of past tokens, float32 [B, K, capacity, D] per layer, so that a
// head's keys lie one after the other.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace mm_orch::torch_backend {

struct CacheShape {  // of one layer
  int64_t kv_heads;
  int64_t head_size;
};

class KvCache {
 public:
  KvCache(std::vector<CacheShape> layers, int64_t batch, int64_t capacity);

  /// Makes room for `tokens` in each sequence, doubling the capacity as often as that takes; the
  /// first `length` tokens stay.
  void reserve(int64_t tokens, int64_t length);
  /// Sequence b takes over the first `length` tokens of sequence source[b].
  void reorder(std::span<const int32_t> source, int64_t length);

  int64_t capacity() const { return capacity_; }
  const at::Tensor& keys(int32_t layer) const { return keys_[layer]; }
  const at::Tensor& values(int32_t layer) const { return values_[layer]; }

 private:
  at::Tensor empty(const CacheShape& shape, int64_t capacity) const;

  std::vector<CacheShape> layers_;
  int64_t batch_;
  int64_t capacity_;
  std::vector<at::Tensor> keys_;
  std::vector<at::Tensor> values_;
};

}  // namespace mm_orch::torch_backend
