#include "exporter/memory_need.h"

#include <fmt/format.h>

#include "base/memory.h"

namespace mm_orch::exporter {

uint64_t exported_bytes(const std::filesystem::path& xml) {
  uint64_t bytes = 0;
  for (const auto& file : std::filesystem::directory_iterator(absolute(xml).parent_path()))
    if (file.path().extension() == ".bin") bytes += file.file_size();
  return bytes;
}

std::optional<std::string> lacking_memory(uint64_t needed_bytes) {
  const auto available = memory_state().available_bytes;
  if (needed_bytes <= available) return std::nullopt;
  return fmt::format("{:.1f} GB of memory, {:.1f} GB are available",
                     static_cast<double>(needed_bytes) / 1e9, static_cast<double>(available) / 1e9);
}

}  // namespace mm_orch::exporter
