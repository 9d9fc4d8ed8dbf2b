#include "exporter/staging_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "exporter/exporter.h"
#include "mm_orch/errors.h"

namespace mm_orch::exporter {
namespace {

namespace fs = std::filesystem;

class Fd {
 public:
  Fd(const fs::path& path, int flags) : fd_(::open(path.c_str(), flags | O_CLOEXEC)) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

fs::path sibling(const fs::path& target, const std::string& kind) {
  return target.parent_path() / fmt::format(".{}.{}-", target.filename().string(), kind);
}

std::vector<fs::path> siblings(const fs::path& target, const std::string& kind) {
  std::vector<fs::path> found;
  const auto prefix = sibling(target, kind).filename().string();
  std::error_code error;
  for (fs::directory_iterator entry(target.parent_path(), error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().filename().string().starts_with(prefix)) found.push_back(entry->path());
  return found;
}

// The lock goes with its process, so a folder that can be locked belongs to nobody.
void remove_stale(const fs::path& target) {
  for (const auto& folder : siblings(target, "tmp")) {
    const Fd fd(folder, O_RDONLY | O_DIRECTORY);
    if (fd.get() < 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
}

void sync_path(const fs::path& path, int flags) {
  const Fd fd(path, O_RDONLY | flags);
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) fail_io("write", path, errno);
}

void sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_regular_file()) sync_path(entry.path(), 0);
  sync_path(folder, O_DIRECTORY);
}

void link_tree(const fs::path& from, const fs::path& to) {
  fs::copy(from, to,
           fs::copy_options::recursive | fs::copy_options::create_hard_links |
               fs::copy_options::copy_symlinks);
}

fs::path resolved(const fs::path& target) {
  if (target.empty()) throw InvalidInputError("The output folder is empty; give a path");
  auto path = fs::absolute(target).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::error_code error;
  const auto real = fs::weakly_canonical(path, error);
  return error ? path : real;
}

void check_replaceable(const fs::path& target) {
  const ErrorContext context{.path = target.string()};
  std::error_code error;
  if (fs::exists(target, error) && !fs::is_directory(target, error))
    throw InvalidInputError(
        fmt::format("{} is not a folder; give a folder for the exported model", target.string()),
        context);
  const auto current = fs::current_path(error);
  const auto end = std::mismatch(target.begin(), target.end(), current.begin(), current.end());
  if (target == target.root_path() || (!error && end.first == target.end()))
    throw InvalidInputError(
        fmt::format("{} is the current folder or one above it, which an export cannot replace; "
                    "give a folder for this model alone",
                    target.string()),
        context);
}

// Returns the topmost folder that had to be made; empty if none.
fs::path make_folders(const fs::path& folder) {
  fs::path topmost;
  std::error_code error;
  for (auto path = folder; !fs::exists(path, error) && path.has_relative_path();
       path = path.parent_path())
    topmost = path;
  fs::create_directories(folder, error);
  if (error) fail_io("make the folder", folder, error.value());
  return topmost;
}

void remove_empty_folders(fs::path folder, const fs::path& topmost) {
  std::error_code error;
  for (; !topmost.empty(); folder = folder.parent_path()) {
    if (!fs::remove(folder, error) || error || folder == topmost) return;
  }
}

std::string unique_folder(const fs::path& prefix) {
  std::string name = prefix.string() + "XXXXXX";
  if (!::mkdtemp(name.data())) fail_io("write to", prefix.parent_path(), errno);
  return name;
}

}  // namespace

void fail_io(const std::string& doing, const fs::path& path, int error) {
  throw BackendError(fmt::format("Cannot {} {}: {}", doing, path.string(), std::strerror(error)),
                     ErrorContext{.path = path.string()});
}

StagingFolder::StagingFolder(const fs::path& target) : target_(resolved(target)) {
  check_replaceable(target_);
  recover_folder(target_);
  const auto parent = target_.parent_path();
  first_made_ = make_folders(parent);
  // Held while the new folder has no lock yet, so that nobody takes it for a stale one.
  const Fd parent_lock(parent, O_RDONLY | O_DIRECTORY);
  if (parent_lock.get() >= 0) ::flock(parent_lock.get(), LOCK_EX);
  remove_stale(target_);
  try {
    staging_ = unique_folder(sibling(target_, "tmp"));
  } catch (...) {
    remove_empty_folders(parent, first_made_);
    throw;
  }
  ::chmod(staging_.c_str(), 0755);
  Fd lock(staging_, O_RDONLY | O_DIRECTORY);
  if (lock.get() >= 0) ::flock(lock.get(), LOCK_EX | LOCK_NB);
  lock_fd_ = lock.release();
}

StagingFolder::~StagingFolder() {
  std::error_code ignored;
  if (!staging_.empty()) fs::remove_all(staging_, ignored);
  if (lock_fd_ >= 0) ::close(lock_fd_);
  remove_empty_folders(target_.parent_path(), first_made_);
}

void StagingFolder::carry_over(const std::set<std::string>& owned) {
  for (const auto& entry : fs::directory_iterator(target_)) {
    const auto name = entry.path().filename();
    if (owned.contains(name.string()) || fs::exists(staging_ / name)) continue;
    link_tree(entry.path(), staging_ / name);
  }
}

void StagingFolder::exchange() {
  if (::renameat2(AT_FDCWD, staging_.c_str(), AT_FDCWD, target_.c_str(), RENAME_EXCHANGE) == 0)
    return;
  if (errno != EINVAL && errno != ENOSYS) fail_io("replace", target_, errno);
  const fs::path old = unique_folder(sibling(target_, "old"));
  if (::rename(target_.c_str(), old.c_str()) != 0) fail_io("replace", target_, errno);
  if (::rename(staging_.c_str(), target_.c_str()) != 0) {
    const int error = errno;
    ::rename(old.c_str(), target_.c_str());
    fail_io("replace", target_, error);
  }
  staging_ = old;
}

void StagingFolder::publish(const std::set<std::string>& owned) {
  try {
    const bool replaces = fs::exists(target_);
    if (replaces) carry_over(owned);
    sync_tree(staging_);
    if (replaces) {
      exchange();
    } else {
      if (::rename(staging_.c_str(), target_.c_str()) != 0) fail_io("make", target_, errno);
      staging_.clear();
    }
    first_made_.clear();
    sync_path(target_.parent_path(), O_DIRECTORY);
  } catch (const fs::filesystem_error& error) {
    fail_io("write", error.path1().empty() ? staging_ : error.path1(), error.code().value());
  }
}

void recover_folder(const fs::path& folder) {
  const auto target = resolved(folder);
  std::error_code error;
  for (const auto& old : siblings(target, "old")) {
    if (fs::exists(target, error))
      fs::remove_all(old, error);
    else
      fs::rename(old, target, error);
  }
}

}  // namespace mm_orch::exporter
