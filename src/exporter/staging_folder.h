// A folder that is filled beside the one it will replace. See exporter.h.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "mm_orch/export.h"

namespace mm_orch::exporter {

class MM_ORCH_EXPORT StagingFolder {
 public:
  /// Makes `.NAME.tmp-XXXXXX` beside `target` (and the folders above it), after removing those
  /// that ended processes have left.
  /// @throws InvalidInputError, BackendError  see export_model.
  explicit StagingFolder(const std::filesystem::path& target);
  /// Removes what was not published, and the folders that were made for it.
  ~StagingFolder();
  StagingFolder(const StagingFolder&) = delete;
  StagingFolder& operator=(const StagingFolder&) = delete;

  const std::filesystem::path& path() const { return staging_; }
  const std::filesystem::path& target() const { return target_; }

  /// Puts the folder in the target's place. Entries of the old target come along unless their name
  /// is in `owned` or among the new ones.
  /// @throws BackendError  naming the path and the reason; the target is as it was.
  void publish(const std::set<std::string>& owned);

 private:
  void carry_over(const std::set<std::string>& owned);
  void exchange();

  std::filesystem::path target_;
  std::filesystem::path staging_;
  std::filesystem::path first_made_;  // the topmost folder above the target that did not exist
  int lock_fd_ = -1;                  // held locked: the folder's process is alive
};

/// @throws BackendError  "Cannot <doing> <path>: <reason of errno value `error`>".
[[noreturn]] void fail_io(const std::string& doing, const std::filesystem::path& path, int error);

}  // namespace mm_orch::exporter
