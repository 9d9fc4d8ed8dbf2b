#include "kernels/packed_linear.h"

#if defined(__x86_64__)

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernels/bf16_tiles.h"
#include "kernels/strip_formats.h"

namespace mm_orch::torch_backend::kernels {
namespace {

bool may_use_tiles() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // arch_prctl(2)
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

template <int kParts>
MM_ORCH_BF16 void pack_blocks(const float* x, int64_t x_stride, const PackedRows& packed,
                              int64_t first, int64_t last, uint16_t* out) {
  const int64_t depth = tiles(packed.columns);
  alignas(64) uint16_t parts[kParts][kTile];
  for (int64_t block = first; block < last; ++block) {
    const int64_t rows = std::min(kSide, packed.rows - block * kSide);
    uint16_t* target = out + block * depth * kParts * kTile;
    std::memset(parts, 0, sizeof parts);
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t r = 0; r < rows; ++r) {
        __m512 low, high;
        load_32(x + (block * kSide + r) * x_stride, k * kDepth, packed.columns, low, high);
        store_parts<kParts>(low, high, &parts[0][r * kDepth], kTile);
      }
      for (int part = 0; part < kParts; ++part, target += kTile) {
        __m512i lines[16];
        for (int r = 0; r < 16; ++r) lines[r] = _mm512_load_si512(&parts[part][r * kDepth]);
        transpose(lines);
        for (int r = 0; r < 16; ++r) _mm512_storeu_si512(target + r * kDepth, lines[r]);
      }
    }
  }
}

// Rows [first, first + 16) of the weight as tiles [depth][parts]; zeros from row `end` on. Reads
// `ahead` rows further on into the cache.
template <class Format, int kParts>
MM_ORCH_BF16 void expand_block(const Rows& weight, int64_t columns, int64_t first, int64_t end,
                               int64_t ahead, uint16_t* out) {
  using S = Simd<16>;
  constexpr auto kDepthBytes = static_cast<int64_t>(kDepth * Format::kBits / 8);
  const int64_t depth = tiles(columns);
  const int64_t whole = Format::kGroup == 0 ? columns / kDepth : depth;
  const int64_t rows = std::clamp<int64_t>(end - first, 0, kSide);
  if (rows < kSide) std::memset(out, 0, sizeof(uint16_t) * depth * kTile * kParts);
  for (int64_t r = 0; r < rows; ++r) {
    const std::byte* row = weight.row(first + r);
    uint16_t* target = out + r * kDepth;
    for (int64_t k = 0; k < whole; ++k, target += kParts * kTile) {
      S::Vector values[2];
      if constexpr (Format::kGroup == 0) {
        Format::template expand<16>(row, 2 * k, values);
        Format::template expand<16>(row, 2 * k + 1, values + 1);
      } else {
        Format::template expand<16>(row, k, values);
      }
      __builtin_prefetch(row + ahead * weight.row_bytes + k * kDepthBytes);
      store_parts<kParts>(values[0], values[1], target, kTile);
    }
    if constexpr (Format::kGroup == 0) {
      if (whole == depth) continue;
      float rest[kDepth] = {};
      for (int64_t i = whole * kDepth; i < columns; ++i) rest[i % kDepth] = Format::one(row, i);
      store_parts<kParts>(_mm512_loadu_ps(rest), _mm512_loadu_ps(rest + 16), target, kTile);
    }
  }
}

// The same of strips, of which `first` is a first row, in one part.
template <class Strip, int kParts>
MM_ORCH_BF16 void expand_block(const Strips& weight, int64_t columns, int64_t first, int64_t end,
                               int64_t ahead, uint16_t* out) {
  static_assert(kParts == 1);
  const int64_t groups = columns / kGroup;
  if (first >= end) {
    std::memset(out, 0, sizeof(uint16_t) * groups * kTile);
    return;
  }
  const std::byte* strip = weight.strip(first / kStripRows);
  const std::byte* next = weight.strip((first + ahead) / kStripRows);
  const int64_t step = weight.strip_bytes / groups;
  for (int64_t g = 0; g < groups; ++g, out += kTile) {
    Simd<16>::Integers u[kChunks];
    Strip::template chunks<16>(Strip::elements(strip, g), u);
    const auto scales = Strip::template scales<16>(strip, g, 0);
    for (int64_t i = 0; i < step; i += 64) __builtin_prefetch(next + g * step + i);
    __m512i lines[16];
#pragma GCC unroll 16
    for (int line = 0; line < 16; ++line) {
      const __m512 scale = scales.scale[line * Strip::kHalves / 16];
      // Exact: so is the product, and 128 times the scale.
      const __m512 offset = Strip::kMinimum ? scales.minimum : scale * -128.0f;
      const auto element = [&](int byte) MM_ORCH_BF16 {
        const __m512i whole = _mm512_and_si512(
            _mm512_srli_epi32((__m512i)u[line / 2], static_cast<unsigned>(8 * byte)),
            _mm512_set1_epi32(255));
        return _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), scale, offset);
      };
      lines[line] = side_by_side(element(line % 2 * 2), element(line % 2 * 2 + 1));
    }
    transpose(lines);
    for (int r = 0; r < 16; ++r) _mm512_storeu_si512(out + r * kDepth, lines[r]);
  }
}

// A tile of sums [16 weight rows, 16 rows of x] into y, transposed.
MM_ORCH_BF16 __attribute__((noinline)) void write_out(const float* sums, const PackedArgs& a,
                                                      int64_t row, int64_t column) {
  __m512i lines[16];
  for (int i = 0; i < 16; ++i) lines[i] = _mm512_load_si512(sums + i * kSide);
  transpose(lines);
  const int64_t rows = std::min(kSide, a.x.rows - row);
  const int64_t columns = std::min(kSide, a.out - column);
  const auto mask = static_cast<__mmask16>((1u << columns) - 1);
  const __m512 bias = a.bias ? _mm512_maskz_loadu_ps(mask, a.bias + column) : _mm512_setzero_ps();
  for (int64_t r = 0; r < rows; ++r)
    _mm512_mask_storeu_ps(a.y + (row + r) * a.y_stride + column, mask,
                          _mm512_add_ps(_mm512_castsi512_ps(lines[r]), bias));
}

// What becomes of the sums of a product: tiles of two blocks of weight rows times one or two of x.
// A product's are worked off, piece by piece, while the tiles' unit is busy with the next one.
struct Sums {
  alignas(64) float buffers[2][4 * kSide * kSide];
  int last = 0;                // the buffer of the product before
  int64_t left = 0, next = 0;  // pieces of it
  int64_t block = 0, panel = 0;

  float* free_buffer() { return buffers[1 - last]; }
  const float* tile(int64_t i) const { return buffers[last] + i * kSide * kSide; }
  void add(int64_t pieces, int64_t x_block, int64_t weight_panel) {
    last = 1 - last;
    left = pieces;
    next = 0;
    block = x_block;
    panel = weight_panel;
  }
};

// Writes them into y; a piece is a tile.
struct Written : Sums {
  static constexpr int64_t kPieces = 2;      // of a block of x
  static constexpr int64_t kAhead = kPanel;  // from a panel's weight rows to the next one's
  const PackedArgs& a;

  explicit Written(const PackedArgs& args) : a(args) {}
  int64_t weight_rows() const { return a.out; }
  // The first row of block 0 or 1 of the panel.
  int64_t weight_row(int64_t of_panel, int64_t i) const { return of_panel * kPanel + i * kSide; }
  MM_ORCH_BF16 void write_next() {
    const int64_t column = panel * kPanel + next % 2 * kSide;
    if (column < a.out) write_out(tile(next), a, (block + next / 2) * kSide, column);
    ++next;
  }
};

// silu(first sum) · second sum, packed as rows of x; a piece is two rows of each tile.
template <int kParts>
struct Gated : Sums {
  static constexpr int64_t kPieces = kSide / 2;
  static constexpr int64_t kAhead = kSide;
  const PackedGatedArgs& a;

  explicit Gated(const PackedGatedArgs& args) : a(args) {}
  int64_t weight_rows() const { return 2 * a.out; }
  int64_t weight_row(int64_t of_panel, int64_t i) const { return i * a.out + of_panel * kSide; }
  MM_ORCH_BF16 void write_next() {
    const int64_t of_x = next / kPieces, pair = next % kPieces;
    __m512 values[2];
    for (int64_t i = 0; i < 2; ++i) {
      const int64_t row = 2 * pair + i, feature = panel * kSide + row;
      __m512 gate = _mm512_load_ps(tile(2 * of_x) + row * kSide);
      __m512 up = _mm512_load_ps(tile(2 * of_x + 1) + row * kSide);
      if (a.bias) {
        gate = _mm512_add_ps(gate, _mm512_set1_ps(a.bias[feature]));
        up = _mm512_add_ps(up, _mm512_set1_ps(a.bias[a.out + feature]));
      }
      values[i] = gate * Simd<16>::sigmoid(gate) * up;
    }
    uint16_t* y = a.y + (((block + of_x) * tiles(a.out) + panel / 2) * kParts) * kTile;
    store_parts<kParts, true>(values[0], values[1], y + (panel % 2 * kPieces + pair) * kDepth,
                              kTile);
    ++next;
  }
};

template <class Output>
MM_ORCH_BF16 void write_rest(Output& output) {
  while (output.next < output.left) output.write_next();
}

// Two blocks of weight rows times kBlocks blocks of x.
template <int kWeightParts, int kParts, int kBlocks, class Output>
MM_ORCH_BF16 inline void multiply_tiles(const uint16_t* weight, const uint16_t* x, int64_t depth,
                                        Output& output) {
  const uint16_t* second_weight = weight + depth * kWeightParts * kTile;
  const uint16_t* second_x = x + depth * kParts * kTile;
  SumTiles<kBlocks>::clear();
  for (int64_t k = 0, due = depth - 1; k < depth; ++k) {
    for (int j = 0; j < kParts; ++j) {
      SumTiles<kBlocks>::load_columns(x + (k * kParts + j) * kTile,
                                      second_x + (k * kParts + j) * kTile);
      for (int i = 0; i < std::min(kWeightParts, 3 - j); ++i) {
        _tile_loadd(4, weight + (k * kWeightParts + i) * kTile, 64);
        _tile_loadd(5, second_weight + (k * kWeightParts + i) * kTile, 64);
        SumTiles<kBlocks>::add_products();
      }
    }
    for (due += output.left; due >= depth; due -= depth) output.write_next();  // evenly spread
  }
  float* sums = output.free_buffer();
  SumTiles<kBlocks>::store(sums, sums + 2 * kSide * kSide);
}

// The same on AVX-512.
template <int kBlocks, class Output>
MM_ORCH_BF16 void multiply_without_tiles(const uint16_t* weight, const uint16_t* x, int64_t depth,
                                         Output& output) {
  write_rest(output);
  float* sums = output.free_buffer();
  for (int64_t block = 0; block < kBlocks; ++block)
    for (int64_t half = 0; half < 2; ++half, sums += kSide * kSide)
      multiply_block<false>({weight + half * depth * kTile, kDepth, kTile},
                            x + block * depth * kTile, depth, sums);
}

template <bool kTiles, int kWeightParts, int kParts, int kBlocks, class Output>
MM_ORCH_BF16 inline void multiply(const uint16_t* weight, const uint16_t* x, int64_t depth,
                                  Output& output) {
  if constexpr (kTiles)
    multiply_tiles<kWeightParts, kParts, kBlocks>(weight, x, depth, output);
  else
    multiply_without_tiles<kBlocks>(weight, x, depth, output);
}

template <bool kTiles, int kWeightParts, int kParts, class Output>
MM_ORCH_BF16 void multiply_panel(const PackedRows& x, int64_t panel, const uint16_t* weight,
                                 Output& output) {
  const int64_t depth = tiles(x.columns);
  const int64_t blocks = (x.rows + kSide - 1) / kSide;
  finish_writing(weight);
  for (int64_t block = 0; block < blocks; block += 2) {
    const uint16_t* of_x = x.data + block * depth * kParts * kTile;
    const int64_t count = std::min<int64_t>(2, blocks - block);
    if (count == 2)
      multiply<kTiles, kWeightParts, kParts, 2>(weight, of_x, depth, output);
    else
      multiply<kTiles, kWeightParts, kParts, 1>(weight, of_x, depth, output);
    output.add(count * Output::kPieces, block, panel);
  }
}

// Parts that a weight needs to be exact.
template <class Format>
constexpr int kExactParts = 3;
template <>
constexpr int kExactParts<BF16Format> = 1;
template <>
constexpr int kExactParts<F16Format> = 2;

template <class Args, int kParts>
using OutputOf = std::conditional_t<std::is_same_v<Args, PackedArgs>, Written, Gated<kParts>>;

// Source: a format of rows or of strips.
template <class Source, bool kTiles, int kWeightParts, int kParts, class Weight, class Args>
MM_ORCH_BF16 void run_panels(const Args& a, const Weight& weight, int64_t first, int64_t last,
                             uint16_t* scratch) {
  const int64_t columns = a.x.columns;
  OutputOf<Args, kParts> output(a);
  for (int64_t panel = first; panel < last; ++panel) {
    for (int64_t i = 0; i < 2; ++i)
      expand_block<Source, kWeightParts>(weight, columns, output.weight_row(panel, i),
                                         output.weight_rows(), output.kAhead,
                                         scratch + i * tiles(columns) * kWeightParts * kTile);
    multiply_panel<kTiles, kWeightParts, kParts>(a.x, panel, scratch, output);
  }
  write_rest(output);
}

template <class Args>
MM_ORCH_BF16 void run(const Args& args, int64_t first, int64_t last, uint16_t* scratch) {
  const bool has_tiles = has_amx();
  if (has_tiles) configure();
  if (const auto* strips = std::get_if<Strips>(&args.weight)) {
    with_strips(strips->dtype, [&](auto format) {
      using Strip = decltype(format);
      if (has_tiles)
        run_panels<Strip, true, 1, 1>(args, *strips, first, last, scratch);
      else
        run_panels<Strip, false, 1, 1>(args, *strips, first, last, scratch);
    });
  } else {
    const auto& rows = std::get<Rows>(args.weight);
    with_format(rows.dtype, [&](auto format) {
      using Format = decltype(format);
      if (!has_tiles)
        run_panels<Format, false, 1, 1>(args, rows, first, last, scratch);
      else if (args.x.parts == 1)
        run_panels<Format, true, 1, 1>(args, rows, first, last, scratch);
      else
        run_panels<Format, true, kExactParts<Format>, 3>(args, rows, first, last, scratch);
    });
  }
  if (has_tiles) _tile_release();
}

}  // namespace

bool has_amx() {
  static const bool result = multiplies_bf16() && __builtin_cpu_supports("amx-tile") &&
                             __builtin_cpu_supports("amx-bf16") && may_use_tiles();
  return result;
}

bool multiplies_bf16() {
  static const bool result = has_v4() && __builtin_cpu_supports("avx512bf16");
  return result;
}

int64_t packed_size(int64_t rows, int64_t columns, int parts) {
  return (rows + kSide - 1) / kSide * tiles(columns) * kTile * parts;
}

void pack_rows(const float* x, int64_t x_stride, const PackedRows& packed, int64_t first,
               int64_t last, uint16_t* out) {
  if (packed.parts == 1)
    pack_blocks<1>(x, x_stride, packed, first, last, out);
  else
    pack_blocks<3>(x, x_stride, packed, first, last, out);
}

int64_t panel_scratch_size(const PackedRows& x) {
  return 2 * kSide * tiles(x.columns) * kDepth * 3;
}

void packed_linear(const PackedArgs& args, int64_t first, int64_t last, uint16_t* scratch) {
  run(args, first, last, scratch);
}

void packed_gated(const PackedGatedArgs& args, int64_t first, int64_t last, uint16_t* scratch) {
  run(args, first, last, scratch);
}

}  // namespace mm_orch::torch_backend::kernels

#else

namespace mm_orch::torch_backend::kernels {

bool has_amx() { return false; }
bool multiplies_bf16() { return false; }
int64_t packed_size(int64_t, int64_t, int) { return 0; }
void pack_rows(const float*, int64_t, const PackedRows&, int64_t, int64_t, uint16_t*) {}
int64_t panel_scratch_size(const PackedRows&) { return 0; }
void packed_linear(const PackedArgs&, int64_t, int64_t, uint16_t*) {}
void packed_gated(const PackedGatedArgs&, int64_t, int64_t, uint16_t*) {}

}  // namespace mm_orch::torch_backend::kernels

#endif
