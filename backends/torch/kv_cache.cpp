#include "kv_cache.h"

#include <cstring>

#include "kernels/rows.h"

namespace mm_orch::torch_backend {

int64_t KvCache::block_bytes(const std::vector<CacheShape>& layers, DType dtype) {
  int64_t elements = 0;
  for (const auto& layer : layers) elements += 2 * layer.kv_heads * layer.head_size * kBlockTokens;
  return elements * dtype_info(dtype).block_bytes;
}

KvCache::KvCache(const std::vector<CacheShape>& layers, DType dtype, int64_t blocks)
    : dtype_(dtype),
      element_bytes_(dtype_info(dtype).block_bytes),
      blocks_(blocks, block_bytes(layers, dtype)) {
  int64_t offset = 0;
  for (const auto& shape : layers) {
    const int64_t bytes = shape.kv_heads * rows_bytes(shape);
    layers_.push_back({shape, offset, offset + bytes});
    offset += 2 * bytes;
  }
}

int64_t KvCache::rows_bytes(const CacheShape& shape) const {
  return kBlockTokens * shape.head_size * element_bytes_;
}

kernels::CachedHead KvCache::head(int32_t layer, int64_t kv_head, const int32_t* blocks) const {
  const auto& place = layers_[static_cast<size_t>(layer)];
  const std::byte* first = blocks_.data() + kv_head * rows_bytes(place.shape);
  return {first + place.keys,    first + place.values, dtype_, blocks,
          blocks_.block_bytes(), kBlockTokens};
}

void KvCache::write(int32_t layer, const int32_t* blocks, int64_t position, const float* keys,
                    const float* values) {
  const auto& place = layers_[static_cast<size_t>(layer)];
  const int64_t size = place.shape.head_size;
  std::byte* target = blocks_.block(blocks[position / kBlockTokens]) +
                      position % kBlockTokens * size * element_bytes_;
  const auto put = [&](const float* x, std::byte* out) {
    if (dtype_ == DType::kF32)
      std::memcpy(out, x, static_cast<size_t>(size) * sizeof(float));
    else
      kernels::round_to_bf16(x, size, reinterpret_cast<uint16_t*>(out));
  };
  for (int64_t h = 0; h < place.shape.kv_heads; ++h, target += rows_bytes(place.shape)) {
    put(keys + h * size, target + place.keys);
    put(values + h * size, target + place.values);
  }
}

}  // namespace mm_orch::torch_backend
