#include "base/sparse_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>

#include "mm_orch/errors.h"

namespace mm_orch {

constexpr size_t kChunk = 4 << 20;

SparseMemory::SparseMemory(size_t bytes)
    : bytes_((std::max<size_t>(bytes, 1) + kChunk - 1) / kChunk * kChunk),
      prepared_(bytes_ / kChunk) {
  void* address =
      ::mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    throw OutOfMemoryError(fmt::format(
        "There is no address space of {} MB for the KV cache; lower scheduler.kv_cache_mb",
        bytes >> 20));
  data_ = static_cast<std::byte*>(address);
}

void SparseMemory::prepare(size_t offset, size_t bytes) {
  for (size_t chunk = offset / kChunk; chunk * kChunk < offset + bytes; ++chunk) {
    if (prepared_[chunk]) continue;
    if (::mprotect(data_ + chunk * kChunk, kChunk, PROT_READ | PROT_WRITE) != 0)
      throw OutOfMemoryError(fmt::format(
          "The process may not have {} MB more for the KV cache; ask for fewer or shorter texts at "
          "once, or raise its limit",
          kChunk >> 20));
    prepared_[chunk] = true;
  }
}

SparseMemory::~SparseMemory() { ::munmap(data_, bytes_); }

SparseBlocks::SparseBlocks(int64_t count, int64_t block_bytes)
    : memory_(static_cast<size_t>(count * block_bytes)), block_bytes_(block_bytes) {}

void SparseBlocks::prepare(std::span<const int32_t> blocks) {
  const auto bytes = static_cast<size_t>(block_bytes_);
  for (const int32_t index : blocks) memory_.prepare(static_cast<size_t>(index) * bytes, bytes);
}

void SparseBlocks::copy(int32_t from, int32_t to) {
  prepare({&to, 1});
  std::memcpy(block(to), block(from), static_cast<size_t>(block_bytes_));
}

}  // namespace mm_orch
