#include "base/replaced_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "mm_orch/errors.h"

namespace mm_orch {
namespace {

// Another may have renamed the file away between our opening and locking it.
bool is_still(const std::filesystem::path& path, int fd) {
  struct stat ours {};
  struct stat there {};
  return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &there) == 0 &&
         ours.st_ino == there.st_ino && ours.st_dev == there.st_dev;
}

}  // namespace

ReplacedFile::ReplacedFile(std::filesystem::path target)
    : target_(std::move(target)),
      path_(target_.parent_path() / fmt::format(".{}.tmp", target_.filename().string())) {
  fd_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd_ < 0) fail(std::strerror(errno));
  try {
    open_alone();
  } catch (...) {
    ::close(fd_);
    throw;
  }
}

void ReplacedFile::open_alone() {
  if (::flock(fd_, LOCK_EX | LOCK_NB) != 0 || !is_still(path_, fd_)) fail("another writes it now");
  errno = 0;
  stream_.open(path_, std::ios::binary | std::ios::trunc);
  if (!stream_) fail(std::strerror(errno));
}

ReplacedFile::~ReplacedFile() {
  if (!committed_) ::unlink(path_.c_str());
  ::close(fd_);
}

void ReplacedFile::flush() {
  if (!stream_.flush()) fail("not all was taken; the disk may be full");
}

void ReplacedFile::commit() {
  flush();
  stream_.close();
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail(std::strerror(errno));
  committed_ = true;
}

void ReplacedFile::fail(const char* reason) const {
  throw BackendError(fmt::format("Cannot write {}: {}", target_.string(), reason),
                     ErrorContext{.path = target_.string()});
}

}  // namespace mm_orch
