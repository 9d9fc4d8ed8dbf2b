#include "kv_cache.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

namespace mm_orch::torch_backend {

KvCache::KvCache(std::vector<CacheShape> layers, int64_t batch, int64_t capacity)
    : layers_(std::move(layers)), batch_(batch), capacity_(capacity) {
  for (const auto& layer : layers_) {
    keys_.push_back(empty(layer, capacity_));
    values_.push_back(empty(layer, capacity_));
  }
}

at::Tensor KvCache::empty(const CacheShape& shape, int64_t capacity) const {
  return at::empty({batch_, shape.kv_heads, capacity, shape.head_size}, at::kFloat);
}

void KvCache::reserve(int64_t tokens, int64_t length) {
  if (tokens <= capacity_) return;
  int64_t capacity = capacity_;
  while (capacity < tokens) capacity *= 2;
  // Swapped in only when all layers have grown: memory may run out in the middle.
  auto keys = keys_;
  auto values = values_;
  for (size_t i = 0; i < layers_.size(); ++i) {
    for (auto* tensor : {&keys[i], &values[i]}) {
      auto grown = empty(layers_[i], capacity);
      grown.narrow(2, 0, length).copy_(tensor->narrow(2, 0, length));
      *tensor = std::move(grown);
    }
  }
  keys_.swap(keys);
  values_.swap(values);
  capacity_ = capacity;
}

void KvCache::reorder(std::span<const int32_t> source, int64_t length) {
  // Each layer is gathered into the tensor that the layer of the same shape before it gave up.
  // Nothing can throw once all spare tensors are there.
  std::vector<at::Tensor> spares;
  const auto spare_for = [&](const at::Tensor& tensor) {
    for (auto& spare : spares)
      if (spare.sizes() == tensor.sizes()) return &spare;
    spares.push_back(at::empty_like(tensor));
    return &spares.back();
  };
  for (const auto& keys : keys_) spare_for(keys);
  for (auto* tensors : {&keys_, &values_}) {
    for (auto& tensor : *tensors) {
      auto* spare = spare_for(tensor);
      for (int64_t b = 0; b < batch_; ++b)
        spare->select(0, b)
            .narrow(1, 0, length)
            .copy_(tensor.select(0, source[b]).narrow(1, 0, length));
      std::swap(*spare, tensor);
    }
  }
}

}  // namespace mm_orch::torch_backend
