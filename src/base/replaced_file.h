// A file that is whole or not there: it is written under another name beside its place and
// renamed into it. One at a time writes; what a killed process left is written over.
#pragma once

#include <filesystem>
#include <fstream>

#include "mm_orch/export.h"

namespace mm_orch {

class MM_ORCH_EXPORT ReplacedFile {
 public:
  /// @throws BackendError  naming the path and why it cannot be written, as the others.
  explicit ReplacedFile(std::filesystem::path target);
  /// Removes what was not committed.
  ~ReplacedFile();
  ReplacedFile(const ReplacedFile&) = delete;
  ReplacedFile& operator=(const ReplacedFile&) = delete;

  std::ofstream& stream() { return stream_; }
  /// Where it lies until it is committed.
  const std::filesystem::path& path() const { return path_; }
  void flush();
  void commit();

 private:
  void open_alone();
  [[noreturn]] void fail(const char* reason) const;

  std::filesystem::path target_;
  std::filesystem::path path_;
  int fd_ = -1;  // holds the lock
  std::ofstream stream_;
  bool committed_ = false;
};

}  // namespace mm_orch
