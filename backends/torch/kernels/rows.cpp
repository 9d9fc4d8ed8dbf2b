#include "kernels/rows.h"

#include "kernels/formats.h"

namespace mm_orch::torch_backend::kernels {
namespace {

template <int kLanes, class Format>
MM_ORCH_INLINE void expand_row(const std::byte* row, int64_t columns, float* out) {
  constexpr int kGroup = Format::kGroup ? Format::kGroup : kLanes;
  int64_t i = 0;
  for (; i + kGroup <= columns; i += kGroup) {
    typename Simd<kLanes>::Vector values[kGroup / kLanes];
    Format::template expand<kLanes>(row, i / kGroup, values);
    for (int v = 0; v < kGroup / kLanes; ++v) Simd<kLanes>::store(out + i + v * kLanes, values[v]);
  }
  if constexpr (Format::kGroup == 0)
    for (; i < columns; ++i) out[i] = Format::one(row, i);
}

template <int kLanes>
MM_ORCH_INLINE void expand_body(const Rows& rows, int64_t first, int64_t count, int64_t columns,
                                float* out) {
  with_format(rows.dtype, [&](auto format) MM_ORCH_INLINE_LAMBDA {
    for (int64_t r = 0; r < count; ++r)
      expand_row<kLanes, decltype(format)>(rows.row(first + r), columns, out + r * columns);
  });
}

template <int kLanes>
MM_ORCH_INLINE void round_to_bf16_body(const float* x, int64_t n, uint16_t* out) {
  for (int64_t i = 0; i < n; ++i) {
    const auto bits = std::bit_cast<uint32_t>(x[i]);
    const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    out[i] = static_cast<uint16_t>(nan ? 0x7fc0 : rounded >> 16);
  }
}

}  // namespace

bool can_read(DType dtype, int64_t columns) {
  return columns % dtype_info(dtype).block_elements == 0 && with_format(dtype, [](auto) {});
}

int64_t row_bytes(DType dtype, int64_t columns) {
  const auto& info = dtype_info(dtype);
  return columns / info.block_elements * info.block_bytes;
}

MM_ORCH_KERNEL(expand, expand_body,
               (const Rows& rows, int64_t first, int64_t count, int64_t columns, float* out),
               (rows, first, count, columns, out))
MM_ORCH_KERNEL(round_to_bf16, round_to_bf16_body, (const float* x, int64_t n, uint16_t* out),
               (x, n, out))

}  // namespace mm_orch::torch_backend::kernels
