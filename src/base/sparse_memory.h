// Anonymous memory that takes room only where it was written, and counts towards the process's
// limits only where it was prepared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

/// The blocks of a KV cache in such memory.
class MM_ORCH_EXPORT SparseBlocks {
 public:
  /// @throws OutOfMemoryError  as SparseMemory.
  SparseBlocks(int64_t count, int64_t block_bytes);
  /// Before they are written.
  /// @throws OutOfMemoryError  as SparseMemory::prepare.
  void prepare(std::span<const int32_t> blocks);
  /// Prepares block `to`; it gets what block `from` holds.
  void copy(int32_t from, int32_t to);
  std::byte* data() const { return memory_.data(); }
  std::byte* block(int32_t index) const { return data() + index * block_bytes_; }
  int64_t block_bytes() const { return block_bytes_; }

 private:
  SparseMemory memory_;
  int64_t block_bytes_;
};

}  // namespace mm_orch
