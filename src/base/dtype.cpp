#include "base/dtype.h"

#include <array>

namespace mm_orch {

const DTypeInfo& dtype_info(DType dtype) {
  // In the order of the enumerators.
  static constexpr std::array<DTypeInfo, 18> kTable = {{
      {"F32", 1, 4},
      {"F16", 1, 2},
      {"BF16", 1, 2},
      {"F64", 1, 8},
      {"I64", 1, 8},
      {"I32", 1, 4},
      {"I16", 1, 2},
      {"I8", 1, 1},
      {"U8", 1, 1},
      {"BOOL", 1, 1},
      {"Q8_0", 32, 34},
      {"Q4_0", 32, 18},
      {"Q4_1", 32, 20},
      {"Q5_0", 32, 22},
      {"Q5_1", 32, 24},
      {"Q4_K", 256, 144},
      {"Q5_K", 256, 176},
      {"Q6_K", 256, 210},
  }};
  return kTable[static_cast<size_t>(dtype)];
}

}  // namespace mm_orch
