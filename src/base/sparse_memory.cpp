#include "base/sparse_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>

#include "mm_orch/errors.h"

namespace mm_orch {

SparseMemory::SparseMemory(size_t bytes) : bytes_(std::max<size_t>(bytes, 1)) {
  void* address = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    throw OutOfMemoryError(fmt::format(
        "There is no address space of {} MB for the KV cache; lower scheduler.kv_cache_mb",
        bytes >> 20));
  data_ = static_cast<std::byte*>(address);
}

SparseMemory::~SparseMemory() { ::munmap(data_, bytes_); }

}  // namespace mm_orch
