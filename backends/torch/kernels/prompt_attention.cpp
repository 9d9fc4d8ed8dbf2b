#include "kernels/prompt_attention.h"

#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include "kernels/bf16_tiles.h"
#include "kernels/packed_linear.h"
#include "kernels/vector.h"
#endif

namespace mm_orch::torch_backend::kernels {

void transpose_values(const std::byte* values, int64_t count, int64_t head_size, uint16_t* out) {
  uint16_t value;
  for (int64_t d = 0; d < head_size; ++d, out += kPromptKeys) {
    for (int64_t key = 0; key < count; ++key) {
      std::memcpy(&value, values + 2 * (key * head_size + d), sizeof value);
      out[key] = value;
    }
    std::fill(out + count, out + kPromptKeys, uint16_t{0});
  }
}

#if defined(__x86_64__)

namespace {

constexpr int64_t kPiece = 256;    // keys whose scores are in the cache at a time
constexpr float kUnseen = -1e30f;  // below any score, and finite: differences stay numbers

// For each block of 16 queries: their sums of values [D, 16], the scores of a piece [kPiece, 16],
// its weights as operand tiles, the queries as such.
struct Scratch {
  float *sums, *scores;
  uint16_t *weights, *queries;

  Scratch(float* memory, int64_t head_size, int64_t block) {
    const int64_t floats = head_size * kSide + kPiece * kSide + kPiece * kSide / 2;
    sums = memory + block * (floats + head_size * kSide / 2);
    scores = sums + head_size * kSide;
    weights = reinterpret_cast<uint16_t*>(scores + kPiece * kSide);
    queries = weights + kPiece * kSide;
  }
};

// Running maximum and sum of the weights of 16 queries.
struct Softmax {
  __m512 highest, total;
};

// [count, D] of 16 queries as operand tiles.
MM_ORCH_BF16 void pack_queries(const PromptArgs& a, int64_t first, uint16_t* out) {
  alignas(64) uint16_t rows[kTile] = {};
  const int64_t count = std::clamp<int64_t>(a.queries - first, 0, kSide);
  for (int64_t k = 0; k < a.head_size; k += kDepth, out += kTile) {
    for (int64_t r = 0; r < count; ++r) {
      const float* q = a.q + (first + r) * a.q_stride + k;
      store_parts<1>(_mm512_loadu_ps(q), _mm512_loadu_ps(q + 16), rows + r * kDepth, 0);
    }
    __m512i lines[16];
    for (int r = 0; r < 16; ++r) lines[r] = _mm512_load_si512(rows + r * kDepth);
    transpose(lines);
    for (int r = 0; r < 16; ++r) _mm512_store_si512(out + r * kDepth, lines[r]);
  }
}

// The scores of a block of keys.
template <bool kTiles, int kBlocks>
MM_ORCH_BF16 inline void score(const PromptArgs& a, int64_t block, const Scratch* s,
                               int64_t place) {
  const std::byte* keys = a.head.keys + a.head.blocks[block] * a.head.block_bytes;
  if constexpr (!kTiles) {
    for (int64_t row = 0; row < kPromptKeys; row += kSide)
      for (int64_t b = 0; b < kBlocks; ++b)
        multiply_block<false>(
            {reinterpret_cast<const uint16_t*>(keys) + row * a.head_size, a.head_size, kDepth},
            s[b].queries, a.head_size / kDepth, s[b].scores + (place + row) * kSide);
  } else {
    const int64_t row_bytes = 2 * a.head_size;
    SumTiles<kBlocks>::clear();
    for (int64_t k = 0; k < a.head_size / kDepth; ++k) {
      _tile_loadd(4, keys + 64 * k, row_bytes);
      _tile_loadd(5, keys + 64 * k + kSide * row_bytes, row_bytes);
      SumTiles<kBlocks>::load_columns(s[0].queries + k * kTile, s[1].queries + k * kTile);
      SumTiles<kBlocks>::add_products();
    }
    SumTiles<kBlocks>::store(s[0].scores + place * kSide, s[1].scores + place * kSide);
  }
}

// Puts kUnseen where a query of the 16 from `position` on does not see a key.
MM_ORCH_BF16 void hide_unseen(const PromptArgs& a, int64_t position, int64_t first_key,
                              int64_t count, float* scores) {
  const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  const __m512 unseen = _mm512_set1_ps(kUnseen);
  for (int64_t i = 0; i < count; ++i, scores += kSide) {
    // How far before its query the key lies.
    const auto distance = static_cast<int32_t>(position - first_key - i);
    const __m512i distances = _mm512_add_epi32(lanes, _mm512_set1_epi32(distance));
    __mmask16 hidden = _mm512_cmplt_epi32_mask(distances, _mm512_setzero_si512());
    if (a.window > 0)
      hidden |= _mm512_cmpge_epi32_mask(distances, _mm512_set1_epi32(static_cast<int>(a.window)));
    _mm512_mask_storeu_ps(scores, hidden, unseen);
  }
}

// Scores of `count` keys become weights; what was summed before is scaled to the new maximum.
MM_ORCH_BF16 void weigh(const PromptArgs& a, int64_t count, const Scratch& s, Softmax& softmax) {
  using Vector = Simd<16>::Vector;
  __m512 highest[4] = {softmax.highest, softmax.highest, softmax.highest, softmax.highest};
  for (int64_t i = 0; i < count; i += 4)
    for (int64_t j = 0; j < 4; ++j)
      highest[j] = _mm512_max_ps(highest[j], _mm512_load_ps(s.scores + (i + j) * kSide));
  const __m512 now =
      _mm512_max_ps(_mm512_max_ps(highest[0], highest[1]), _mm512_max_ps(highest[2], highest[3]));
  const __m512 correction = exp_nonpositive<Vector>((softmax.highest - now) * a.scale);
  softmax.highest = now;
  __m512 totals[2] = {softmax.total * correction, _mm512_setzero_ps()};
  for (int64_t i = 0; i < count; i += 2) {
    const float* scores = s.scores + i * kSide;
    const __m512 even = exp_nonpositive<Vector>((_mm512_load_ps(scores) - now) * a.scale);
    const __m512 odd = exp_nonpositive<Vector>((_mm512_load_ps(scores + kSide) - now) * a.scale);
    totals[0] += even;
    totals[1] += odd;
    store_parts<1, true>(even, odd, s.weights + i * kSide, 0);
  }
  softmax.total = totals[0] + totals[1];
  for (int64_t d = 0; d < a.head_size; ++d) {
    float* sum = s.sums + d * kSide;
    _mm512_store_ps(sum, _mm512_load_ps(sum) * correction);
  }
}

// Adds the weighted values of `blocks` blocks of keys from `first` on.
template <bool kTiles, int kBlocks>
MM_ORCH_BF16 void add_values(const PromptArgs& a, int64_t first, int64_t blocks, const Scratch* s) {
  const int64_t block_size = a.head_size * kPromptKeys;
  if constexpr (!kTiles) {
    for (int64_t d = 0; d < a.head_size; d += kSide)
      for (int64_t b = 0; b < kBlocks; ++b)
        multiply_block<true>({a.values + first * block_size + d * kPromptKeys, kDepth, block_size},
                             s[b].weights, blocks, s[b].sums + d * kSide);
  } else {
    for (int64_t d = 0; d < a.head_size; d += 2 * kSide) {
      SumTiles<kBlocks>::load(s[0].sums + d * kSide, s[1].sums + d * kSide);
      const uint16_t* values = a.values + first * block_size + d * kPromptKeys;
      for (int64_t block = 0; block < blocks; ++block, values += block_size) {
        _tile_loadd(4, values, 64);
        _tile_loadd(5, values + kTile, 64);
        SumTiles<kBlocks>::load_columns(s[0].weights + block * kTile, s[1].weights + block * kTile);
        SumTiles<kBlocks>::add_products();
      }
      SumTiles<kBlocks>::store(s[0].sums + d * kSide, s[1].sums + d * kSide);
    }
  }
}

MM_ORCH_BF16 void write_out(const PromptArgs& a, int64_t first, const Scratch& s, __m512 total) {
  const __m512 inverse = _mm512_div_ps(_mm512_set1_ps(1.0f), total);
  const int64_t count = std::clamp<int64_t>(a.queries - first, 0, kSide);
  for (int64_t d = 0; d < a.head_size; d += kSide) {
    __m512i lines[16];
    for (int i = 0; i < 16; ++i)
      lines[i] =
          _mm512_castps_si512(_mm512_mul_ps(_mm512_load_ps(s.sums + (d + i) * kSide), inverse));
    transpose(lines);
    for (int64_t r = 0; r < count; ++r)
      _mm512_storeu_si512(a.y + (first + r) * a.y_stride + d, lines[r]);
  }
}

template <bool kTiles, int kBlocks>
MM_ORCH_BF16 void attend_blocks(const PromptArgs& a, float* memory) {
  const Scratch s[2] = {{memory, a.head_size, 0}, {memory, a.head_size, 1}};
  Softmax softmax[kBlocks];
  for (int64_t b = 0; b < kBlocks; ++b) {
    pack_queries(a, b * kSide, s[b].queries);
    std::fill_n(s[b].sums, a.head_size * kSide, 0.0f);
    softmax[b] = {_mm512_set1_ps(kUnseen), _mm512_setzero_ps()};
  }
  const int64_t last = a.position + a.queries - 1;  // position of the last query
  const int64_t oldest = a.window > 0 ? std::max<int64_t>(0, a.position - a.window + 1) : 0;
  const int64_t end = last / kPromptKeys + 1;
  for (int64_t first = oldest / kPromptKeys; first < end; first += kPiece / kPromptKeys) {
    const int64_t blocks = std::min(kPiece / kPromptKeys, end - first);
    finish_writing(memory);
    for (int64_t i = 0; i < blocks; ++i) {
      score<kTiles, kBlocks>(a, first + i, s, i * kPromptKeys);
      const int64_t key = (first + i) * kPromptKeys;
      const bool all_seen =
          key + kPromptKeys - 1 <= a.position && (a.window == 0 || key > last - a.window);
      for (int64_t b = 0; b < kBlocks && !all_seen; ++b)
        hide_unseen(a, a.position + b * kSide, key, kPromptKeys,
                    s[b].scores + i * kPromptKeys * kSide);
    }
    for (int64_t b = 0; b < kBlocks; ++b) weigh(a, blocks * kPromptKeys, s[b], softmax[b]);
    finish_writing(memory);
    add_values<kTiles, kBlocks>(a, first, blocks, s);
  }
  for (int64_t b = 0; b < kBlocks; ++b) write_out(a, b * kSide, s[b], softmax[b].total);
}

}  // namespace

int64_t prompt_scratch_size(int64_t head_size) {
  return 2 * kSide * (head_size + kPiece + (kPiece + head_size) / 2);
}

MM_ORCH_BF16 void attend_prompt(const PromptArgs& args, float* scratch) {
  const bool two_blocks = args.queries > kSide;
  if (!has_amx())
    return two_blocks ? attend_blocks<false, 2>(args, scratch)
                      : attend_blocks<false, 1>(args, scratch);
  configure();
  two_blocks ? attend_blocks<true, 2>(args, scratch) : attend_blocks<true, 1>(args, scratch);
  _tile_release();
}

#else

int64_t prompt_scratch_size(int64_t) { return 0; }
void attend_prompt(const PromptArgs&, float*) {}

#endif

}  // namespace mm_orch::torch_backend::kernels
