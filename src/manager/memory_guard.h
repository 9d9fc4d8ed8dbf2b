// Refuses a load that this machine has no memory for, before the system starts ending
// processes: Linux gives memory that it does not have.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "backend/backend.h"
#include "graph/graph.h"
#include "manager/backend_choice.h"

namespace mm_orch::manager {

/// What a model in memory takes at least. Caches are counted for one sequence as long as the model
/// takes, up to 1 GiB.
struct MemoryNeed {
  uint64_t weight_bytes = 0;
  uint64_t cache_bytes = 0;
};

/// On PyTorch, which holds the weights as they are stored; in bf16 those of 32 bits halved; in
/// int8 those of 32 and 16 bits in 8.5.
MemoryNeed memory_needed(const graph::Graph& graph, const backend::LoadOptions& options);
/// On OpenVINO, which holds the weights as they lie in the .bin beside `xml`, laid out anew
/// (measured: 1.0 times the file, and 60 MB); the file itself is mapped, and goes when room is
/// needed.
MemoryNeed memory_needed(const std::filesystem::path& xml, const graph::ModelInfo& info);

/// @throws OutOfMemoryError  less is available (base/memory.h): what is needed, what is there, what
/// to do.
void require_memory(const MemoryNeed& need, const std::string& model, const std::string& backend);

}  // namespace mm_orch::manager
