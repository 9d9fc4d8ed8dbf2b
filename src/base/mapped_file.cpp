#include "base/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mm_orch/errors.h"

namespace mm_orch {

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
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, {static_cast<const std::byte*>(address), size}));
}

MappedFile::~MappedFile() { ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

}  // namespace mm_orch
