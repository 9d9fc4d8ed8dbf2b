// A read-only memory map of a whole file. The map lives as long as the last
// shared_ptr to it; tensors hold one each.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "mm_orch/export.h"

namespace mm_orch {

class MM_ORCH_EXPORT MappedFile {
 public:
  /// @throws ModelNotFoundError   the file is not there.
  /// @throws FileValidationError  it cannot be opened or mapped, or is empty.
  static std::shared_ptr<const MappedFile> open(const std::filesystem::path& path);

  /// What has been read of it and is needed no more: these pages count as this process's memory no
  /// longer, and come from the file again if they are read again. Does nothing if `bytes` are not
  /// of a mapped file.
  static void release(std::span<const std::byte> bytes);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes)
      : path_(std::move(path)), bytes_(bytes) {}

  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

}  // namespace mm_orch
