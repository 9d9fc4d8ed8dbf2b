#include "kernels/strips.h"

#include <algorithm>

#include "kernels/strip_formats.h"

namespace mm_orch::torch_backend::kernels {
namespace {

template <int kLanes>
MM_ORCH_INLINE void expand_body(const Strips& strips, int64_t r, int64_t columns, float* out) {
  with_strips(strips.dtype, [&](auto format) MM_ORCH_INLINE_LAMBDA {
    using Strip = decltype(format);
    const std::byte* strip = strips.strip(r / kStripRows);
    const int64_t groups = columns / kGroup, row = r % kStripRows;
    for (int64_t g = 0; g < groups; ++g, out += kGroup) {
      typename Simd<kLanes>::Integers u[kChunks];
      Strip::template chunks<kLanes>(Strip::elements(strip, g) + row / kLanes * kLanes * 4, u);
      const auto scales = Strip::template scales<kLanes>(strip, g, row / kLanes * kLanes);
      for (int64_t i = 0; i < kGroup; ++i) {
        const auto whole = u[i / 4][row % kLanes] >> i % 4 * 8 & 255;
        const float scale = scales.scale[i * Strip::kHalves / kGroup][row % kLanes];
        if constexpr (Strip::kMinimum)
          out[i] = static_cast<float>(whole) * scale + scales.minimum[row % kLanes];
        else
          out[i] = static_cast<float>(whole - 128) * scale;
      }
    }
  });
}

}  // namespace

bool in_strips(DType dtype) {
  bool can = false;
  with_strips(dtype, [&](auto) { can = true; });
  return can;
}

int64_t strip_bytes(DType dtype, int64_t columns) {
  int64_t bytes = 0;
  with_strips(dtype, [&](auto format) {
    using Strip = decltype(format);
    bytes = Strip::bytes(columns / kGroup);
  });
  return bytes;
}

void to_strips(const Rows& rows, int64_t count, int64_t columns, int64_t first, int64_t last,
               std::byte* out) {
  with_strips(rows.dtype, [&](auto format) {
    using Strip = decltype(format);
    const int64_t groups = columns / kGroup, bytes = strip_bytes(rows.dtype, columns);
    const auto& info = dtype_info(rows.dtype);
    const int64_t groups_of_block = info.block_elements / kGroup;
    for (int64_t p = first; p < last; ++p) {
      std::byte* strip = out + p * bytes;
      std::memset(strip, 0, static_cast<size_t>(bytes));
      const int64_t held = std::min(kStripRows, count - p * kStripRows);
      for (int64_t row = 0; row < held; ++row) {
        for (int64_t g = 0; g < groups; ++g) {
          const std::byte* block =
              rows.row(p * kStripRows + row) + g / groups_of_block * info.block_bytes;
          Strip::Scales::put(block, g, row, Strip::scale_place(strip, g));
          Strip::put(block, g, row, Strip::elements(strip, g));
        }
      }
    }
  });
}

MM_ORCH_KERNEL(expand, expand_body, (const Strips& strips, int64_t r, int64_t columns, float* out),
               (strips, r, columns, out))

}  // namespace mm_orch::torch_backend::kernels
