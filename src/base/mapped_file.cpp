#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "mm_orch/errors.h"

namespace mm_orch {
namespace {

// Those that are mapped now, by their first byte.
struct Maps {
  std::mutex mutex;
  std::map<const std::byte*, size_t> sizes;
};
Maps& maps() {
  static auto* all = new Maps;  // outlives every map
  return *all;
}

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const ErrorContext context{.path = path.string()};
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    const int error = errno;
    const auto message = fmt::format("Cannot open {}: {}", path.string(), std::strerror(error));
    if (error == ENOENT) throw ModelNotFoundError(message, context);
    throw FileValidationError(message, context);
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    ::close(fd);
    throw FileValidationError(
        fmt::format("{} is empty or not a regular file; a model file was expected", path.string()),
        context);
  }
  const auto size = static_cast<size_t>(status.st_size);
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  const int error = errno;
  ::close(fd);
  if (address == MAP_FAILED)
    throw FileValidationError(
        fmt::format("Cannot map {} ({} bytes): {}", path.string(), size, std::strerror(error)),
        context);
  std::shared_ptr<const MappedFile> file(
      new MappedFile(path, {static_cast<const std::byte*>(address), size}));
  const std::lock_guard lock(maps().mutex);
  maps().sizes.emplace(file->bytes_.data(), size);
  return file;
}

void MappedFile::release(std::span<const std::byte> bytes) {
  const std::lock_guard lock(maps().mutex);
  auto map = maps().sizes.upper_bound(bytes.data());
  if (map == maps().sizes.begin()) return;
  --map;
  if (bytes.data() + bytes.size() > map->first + map->second) return;
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto first = (reinterpret_cast<uintptr_t>(bytes.data()) + page - 1) / page * page;
  const auto last = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  {
    const std::lock_guard lock(maps().mutex);
    maps().sizes.erase(bytes_.data());
  }
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace mm_orch
