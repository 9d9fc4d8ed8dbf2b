// What a shared library says it needs, read from its file without loading it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch::backend {

struct ElfInfo {
  std::vector<std::string> needed;             // DT_NEEDED: "libopenvino.so.2641"
  std::vector<std::filesystem::path> runpath;  // DT_RUNPATH or DT_RPATH, $ORIGIN resolved
};

/// Empty where the file is no 64-bit ELF library of this machine's byte order, or is damaged.
MM_ORCH_EXPORT ElfInfo read_elf_info(const std::filesystem::path& library);

}  // namespace mm_orch::backend
