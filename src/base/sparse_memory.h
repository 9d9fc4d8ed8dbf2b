// Anonymous memory that takes room only where it was written, and counts towards the process's
// limits only where it was prepared.
#pragma once

#include <cstddef>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch {

class MM_ORCH_EXPORT SparseMemory {
 public:
  /// @throws OutOfMemoryError  there is no address space for `bytes`.
  explicit SparseMemory(size_t bytes);
  ~SparseMemory();
  /// Lets [offset, offset + bytes) be read and written.
  /// @throws OutOfMemoryError  a limit of the process or the system forbids it.
  void prepare(size_t offset, size_t bytes);
  SparseMemory(const SparseMemory&) = delete;
  SparseMemory& operator=(const SparseMemory&) = delete;
  std::byte* data() const { return data_; }
  size_t size() const { return bytes_; }

 private:
  std::byte* data_;
  size_t bytes_;
  std::vector<bool> prepared_;  // by chunk
};

}  // namespace mm_orch
