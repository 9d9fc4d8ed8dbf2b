// The architectures we have: config.json's model_type → the function that writes the model as a
// graph.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "weights/model_source.h"

namespace mm_orch::models {

/// Writes the model as a graph; the graph's tensors keep the files mapped.
/// @throws UnsupportedModelError  naming the architecture (or its option) and listing those we
/// have.
/// @throws FileValidationError    a tensor is missing, or of another shape than the config says.
MM_ORCH_EXPORT graph::Graph build_graph(const weights::ModelSource& source);

/// ModelInfo alone, from a config.json (no weights needed; an exported IR has only that).
MM_ORCH_EXPORT graph::ModelInfo model_info(const nlohmann::json& config);

/// model_type names, sorted.
MM_ORCH_EXPORT std::vector<std::string> architectures();

}  // namespace mm_orch::models
