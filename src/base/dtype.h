// Element and block types of stored tensors. Block types follow ggml: a block of
// `block_elements` values takes `block_bytes` bytes.
#pragma once

#include <cstdint>
#include <string_view>

#include "mm_orch/export.h"

namespace mm_orch {

enum class DType {
  kF32,
  kF16,
  kBF16,
  kF64,
  kI64,
  kI32,
  kI16,
  kI8,
  kU8,
  kBool,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K,
};

struct DTypeInfo {
  std::string_view name;  // "F32", "Q4_K"
  int block_elements;     // 1 for plain types
  int block_bytes;
};

MM_ORCH_EXPORT const DTypeInfo& dtype_info(DType dtype);

}  // namespace mm_orch
