// The inverse frequencies of rotary position embedding, with the scaling a config.json asks for.
#pragma once

#include <cstdint>

#include "graph/graph.h"
#include "weights/model_source.h"

namespace mm_orch::models {

/// Reads `rope_theta` and `rope_scaling` (or `rope_parameters`, as transformers 5 writes them), and
/// the factors a GGUF carries as `rope_freqs.weight`. Types: default, linear, llama3, yarn.
/// @throws UnsupportedModelError  another type; it is named with those we have.
/// Source: transformers modeling_rope_utils; Peng et al. 2023 (YaRN); Llama 3.1 model card.
graph::Rope rope_from_config(const weights::ModelSource& source, int64_t head_size);

}  // namespace mm_orch::models
