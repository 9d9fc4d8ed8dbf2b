// How much memory this process can still take before the system has to end a process.
#pragma once

#include <cstdint>
#include <filesystem>

#include "mm_orch/export.h"

namespace mm_orch {

struct MemoryState {
  uint64_t total_bytes = 0;
  uint64_t available_bytes = 0;  // without swapping; what is cached of files counts as available
};

/// Of the machine, or of the control groups (v1 and v2) that hold this process, where they allow
/// less.
/// @param root  the folder in which /proc and /sys are.
MM_ORCH_EXPORT MemoryState memory_state(const std::filesystem::path& root = "/");

}  // namespace mm_orch
