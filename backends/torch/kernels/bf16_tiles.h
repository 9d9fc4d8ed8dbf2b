// What the kernels of bfloat16 have in common: tiles, their layout and products, on AMX or, where
// the processor has none, on AVX-512. Included where the processor is an x86-64 alone.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

// clang-format off
#define MM_ORCH_BF16 __attribute__((target("arch=x86-64-v4,avx512bf16,amx-tile,amx-bf16")))
// clang-format on
#define MM_ORCH_BF16_INLINE MM_ORCH_BF16 __attribute__((always_inline)) inline

namespace mm_orch::torch_backend::kernels {

inline constexpr int64_t kSide = 16;   // rows of a tile
inline constexpr int64_t kDepth = 32;  // elements of weight and x that a tile product sums
inline constexpr int64_t kTile = kSide * kDepth;  // elements of a tile

inline int64_t tiles(int64_t columns) { return (columns + kDepth - 1) / kDepth; }

// 32 floats as bfloat16, an element of `low` and its neighbour of `high` side by side.
MM_ORCH_BF16 inline __m512i side_by_side(__m512 low, __m512 high) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24,
                                         8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return _mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(high, low));
}

// The bfloat16 parts of 32 floats, first the leading one; `stride` elements apart. Interleaved, an
// element of `low` and its neighbour of `high` lie side by side.
template <int kParts, bool kInterleave = false>
MM_ORCH_BF16 inline void store_parts(__m512 low, __m512 high, uint16_t* out, int64_t stride) {
  for (int part = 0; part < kParts; ++part, out += stride) {
    const bool is_last = part + 1 == kParts;
    __m512 a = low, b = high;
    if (!is_last) {
      const auto leading = [](__m512 x) MM_ORCH_BF16 {
        const auto bits = _mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000));
        return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(-0x10000)));
      };
      a = leading(low);
      b = leading(high);
      low = _mm512_sub_ps(low, a);
      high = _mm512_sub_ps(high, b);
    }
    const auto both = kInterleave ? side_by_side(a, b) : (__m512i)_mm512_cvtne2ps_pbh(b, a);
    _mm512_storeu_si512(out, both);
  }
}

// 16 rows of 16 double words, in place.
MM_ORCH_BF16 inline void transpose(__m512i (&r)[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// 32 floats of a row from `column` on, zero beyond `columns`.
MM_ORCH_BF16 inline void load_32(const float* row, int64_t column, int64_t columns, __m512& low,
                                 __m512& high) {
  const int64_t left = columns - column;
  const uint32_t mask = left >= kDepth ? ~0u : (1u << left) - 1;
  low = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask), row + column);
  high = _mm512_maskz_loadu_ps(static_cast<__mmask16>(mask >> 16), row + column + 16);
}

/// Where 16 rows of a product's first operand lie, in elements.
struct BlockRows {
  const uint16_t* first;
  int64_t row_step;
  int64_t tile_step;  // to the next kDepth of each row
};

/// What tiles do, on AVX-512's dot products of pairs: 16 rows times the 16 of x, which is in tiles,
/// over `depth` tiles. sums [16, 16] are added to if kAdd.
template <bool kAdd>
MM_ORCH_BF16 inline void multiply_block(const BlockRows& rows, const uint16_t* x, int64_t depth,
                                        float* sums) {
  __m512 total[kSide];
#pragma GCC unroll 16
  for (int64_t r = 0; r < kSide; ++r)
    total[r] = kAdd ? _mm512_load_ps(sums + r * kSide) : _mm512_setzero_ps();
  const uint16_t* tile = rows.first;
  for (int64_t k = 0; k < depth; ++k, tile += rows.tile_step, x += kTile) {
    for (int64_t pair = 0; pair < kSide; ++pair) {
      const auto of_x = (__m512bh)_mm512_load_si512(x + pair * kDepth);
#pragma GCC unroll 16
      for (int64_t r = 0; r < kSide; ++r) {
        int32_t of_row;
        std::memcpy(&of_row, tile + r * rows.row_step + 2 * pair, sizeof of_row);
        total[r] = _mm512_dpbf16_ps(total[r], (__m512bh)_mm512_set1_epi32(of_row), of_x);
      }
    }
  }
#pragma GCC unroll 16
  for (int64_t r = 0; r < kSide; ++r) _mm512_store_ps(sums + r * kSide, total[r]);
}

struct TileConfig {
  uint8_t palette = 1;
  uint8_t start_row = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

// g++ 12's intrinsics for tiles do not say which memory they read.
inline void finish_writing(const void* memory) { __asm__ volatile("" ::"r"(memory) : "memory"); }

MM_ORCH_BF16 inline void configure() {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = 16;
  }
  finish_writing(&config);
  _tile_loadconfig(&config);
}

// Sums of the products of two blocks of rows (tiles 4 and 5) and kBlocks blocks of columns (6 and
// 7): those of the first block of columns in tiles 0 and 1, of the second in 2 and 3. In memory two
// of a block of columns lie one after the other.
template <int kBlocks>
struct SumTiles {
  MM_ORCH_BF16_INLINE static void clear() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  MM_ORCH_BF16_INLINE static void load(const float* first, const float* second) {
    _tile_loadd(0, first, 64);
    _tile_loadd(1, first + kSide * kSide, 64);
    if constexpr (kBlocks == 2) {
      _tile_loadd(2, second, 64);
      _tile_loadd(3, second + kSide * kSide, 64);
    }
  }
  MM_ORCH_BF16_INLINE static void store(float* first, float* second) {
    _tile_stored(0, first, 64);
    _tile_stored(1, first + kSide * kSide, 64);
    if constexpr (kBlocks == 2) {
      _tile_stored(2, second, 64);
      _tile_stored(3, second + kSide * kSide, 64);
    }
  }
  MM_ORCH_BF16_INLINE static void load_columns(const uint16_t* first, const uint16_t* second) {
    _tile_loadd(6, first, 64);
    if constexpr (kBlocks == 2) _tile_loadd(7, second, 64);
  }
  MM_ORCH_BF16_INLINE static void add_products() {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 5, 6);
    if constexpr (kBlocks == 2) {
      _tile_dpbf16ps(2, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
  }
};

}  // namespace mm_orch::torch_backend::kernels
