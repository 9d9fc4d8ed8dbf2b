// Whether the memory for models that are compared is there. It is asked before, since a system
// that overcommits would end the process instead.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace mm_orch::exporter {

/// Of the exported model's weights, an encoder's beside it included.
uint64_t exported_bytes(const std::filesystem::path& xml);

/// "2.0 GB of memory, 1.0 GB are available"; none if it is there.
std::optional<std::string> lacking_memory(uint64_t needed_bytes);

}  // namespace mm_orch::exporter
