// Memory for converted weights that the system can take back: a nameless file beside
// the export, mapped. What a conversion wrote goes to disk when memory is needed, so an
// export takes the memory of one weight, not of the model.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <openvino/runtime/tensor.hpp>

namespace mm_orch::openvino {

/// Thread-safe.
class ScratchFile : public std::enable_shared_from_this<ScratchFile> {
 public:
  /// @throws BackendError  naming the folder and the system's reason (not writable).
  explicit ScratchFile(const std::filesystem::path& folder);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  /// A tensor in the file, which it keeps.
  /// @throws BackendError  naming the folder and the system's reason (disk full).
  ov::Tensor tensor(ov::element::Type type, const ov::Shape& shape);

  /// Takes what was written so far out of this process's resident memory.
  void settle();
  /// Gives back the disk space too, if `memory` is a tensor's; it holds zeros then.
  void discard(const void* memory);

 private:
  void* allocate(size_t bytes);
  void deallocate(void* memory, size_t bytes);

  struct Place {
    size_t offset;  // in the file
    size_t bytes;
    bool settled = false;
  };

  std::filesystem::path folder_;
  int fd_;
  std::mutex mutex_;
  std::map<const void*, Place> places_;  // of the live tensors
  size_t end_ = 0;
};

}  // namespace mm_orch::openvino
