#include "scratch_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "openvino_errors.h"

namespace mm_orch::openvino {
namespace {

[[noreturn]] void fail(const std::filesystem::path& folder, int error) {
  throw BackendError(fmt::format("Cannot write to {}: {}", folder.string(), std::strerror(error)),
                     {.backend = kBackendName, .path = folder.string()});
}

size_t whole_pages(size_t bytes) {
  static const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

// O_TMPFILE is not on every file system.
int open_nameless(const std::filesystem::path& folder) {
  std::string name = (folder / ".weights-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail(folder, errno);
  ::unlink(name.c_str());
  return fd;
}

}  // namespace

ScratchFile::ScratchFile(const std::filesystem::path& folder)
    : folder_(folder.empty() ? "." : folder), fd_(open_nameless(folder_)) {}

ScratchFile::~ScratchFile() { ::close(fd_); }

ov::Tensor ScratchFile::tensor(ov::element::Type type, const ov::Shape& shape) {
  const size_t bytes = (ov::shape_size(shape) * type.bitwidth() + 7) / 8;
  const std::shared_ptr<void> memory(
      allocate(bytes),
      [file = shared_from_this(), bytes](void* start) { file->deallocate(start, bytes); });
  return {ov::Tensor(type, shape, memory.get()), memory};
}

void* ScratchFile::allocate(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const size_t size = whole_pages(bytes);
  // Without the space, a write to the mapping would be a SIGBUS.
  if (const int error = ::posix_fallocate(fd_, static_cast<off_t>(end_), static_cast<off_t>(size)))
    fail(folder_, error);
  void* memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, static_cast<off_t>(end_));
  if (memory == MAP_FAILED) throw std::bad_alloc();
  places_[memory] = {.offset = end_, .bytes = size};
  end_ += size;
  return memory;
}

void ScratchFile::deallocate(void* memory, size_t bytes) {
  const std::lock_guard lock(mutex_);
  places_.erase(memory);
  ::munmap(memory, whole_pages(bytes));
}

void ScratchFile::settle() {
  const std::lock_guard lock(mutex_);
  for (auto& [memory, place] : places_) {
    if (place.settled) continue;
    ::madvise(const_cast<void*>(memory), place.bytes, MADV_DONTNEED);
    place.settled = true;
  }
}

void ScratchFile::discard(const void* memory) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(memory);
  if (found == places_.end()) return;
  const auto& place = found->second;
  // A file system that cannot only keeps the space until the end.
  if (::fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(place.offset),
                  static_cast<off_t>(place.bytes)) != 0)
    ::madvise(const_cast<void*>(memory), place.bytes, MADV_DONTNEED);
}

}  // namespace mm_orch::openvino
