// Keys and values of all sequences of a model, in blocks of kBlockTokens tokens. In a block
// each layer has keys [K, kBlockTokens, D] and as many values, so that those of a head lie one
// after the other.
#pragma once

#include <cstdint>
#include <vector>

#include "base/dtype.h"
#include "base/sparse_memory.h"
#include "kernels/attention.h"

namespace mm_orch::torch_backend {

struct CacheShape {  // of one layer
  int64_t kv_heads;
  int64_t head_size;
};

class KvCache {
 public:
  /// The rows of keys that a packed product takes at a time.
  static constexpr int64_t kBlockTokens = 32;

  /// @param dtype  kF32 or kBF16.
  KvCache(const std::vector<CacheShape>& layers, DType dtype, int64_t blocks);
  static int64_t block_bytes(const std::vector<CacheShape>& layers, DType dtype);

  DType dtype() const { return dtype_; }
  /// Keys and values of one head; `blocks` are those of the sequence.
  kernels::CachedHead head(int32_t layer, int64_t kv_head, const int32_t* blocks) const;
  /// Writes keys and values [K, D] of the token at `position`.
  void write(int32_t layer, const int32_t* blocks, int64_t position, const float* keys,
             const float* values);
  SparseBlocks& blocks() { return blocks_; }

 private:
  struct Layer {
    CacheShape shape;
    int64_t keys, values;  // offsets in a block
  };
  int64_t rows_bytes(const CacheShape& shape) const;

  DType dtype_;
  int64_t element_bytes_;
  std::vector<Layer> layers_;
  SparseBlocks blocks_;
};

}  // namespace mm_orch::torch_backend
