// Attention of one query over the keys and values of its head, which lie in blocks of
// kKeysPerBlock tokens: keys [D, kKeysPerBlock], so that a block's scores come without sums across
// a register, and after them values [kKeysPerBlock, D].
#pragma once

#include <cstdint>

namespace mm_orch::openvino {

inline constexpr int64_t kKeysPerBlock = 32;

/// Floats that a head has in a block. @param size  D.
inline int64_t head_floats(int64_t size) { return 2 * kKeysPerBlock * size; }

struct HeadBlocks {
  const float* data = nullptr;      // of block 0
  int64_t stride = 0;               // floats from a block to the next
  const int32_t* blocks = nullptr;  // in order of the tokens; null: as they lie

  const float* block(int64_t i) const { return data + (blocks ? blocks[i] : i) * stride; }
};

/// Puts a token's key and value, each [D], in its block's place.
void put(float* block, int64_t token, int64_t size, const float* key, const float* value);

/// out [D] = softmax(keys · q + scores) · values, of the first `count` > 0 tokens.
/// @param size    D.
/// @param scores  [count], with room up to a multiple of kKeysPerBlock; overwritten.
void attend(const float* q, const HeadBlocks& head, int64_t count, int64_t size, float* scores,
            float* out);

}  // namespace mm_orch::openvino
