// Anonymous memory that takes room only where it was written.
#pragma once

#include <cstddef>

#include "mm_orch/export.h"

namespace mm_orch {

class MM_ORCH_EXPORT SparseMemory {
 public:
  /// @throws OutOfMemoryError  there is no address space for `bytes`.
  explicit SparseMemory(size_t bytes);
  ~SparseMemory();
  SparseMemory(const SparseMemory&) = delete;
  SparseMemory& operator=(const SparseMemory&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
  size_t bytes_;
};

}  // namespace mm_orch
