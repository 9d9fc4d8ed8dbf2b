// The fixed prompts of the fidelity check.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"
#include "weights/model_source.h"

namespace mm_orch::exporter {

/// Token ids of a few fixed texts, cut to one length of at most 64; seeded random ids where the
/// model has no tokenizer of its vocabulary.
std::vector<std::vector<int64_t>> fidelity_prompts(const weights::ModelSource& source,
                                                   const graph::ModelInfo& info);

}  // namespace mm_orch::exporter
