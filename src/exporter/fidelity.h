// The check that ends an export: is the exported model the one that was exported?
//
// The source runs on PyTorch in FP32, the exported model on its own backend. Both are
// fed the same fixed prompts token by token through their KV caches, because that is how
// a model is used and where errors gather. Both are in memory at once.
//
// The gate is the KL divergence of the next token's distributions. Plain agreement of the
// likeliest token would refuse good models: of seeded random weights in INT8 94% agree at
// a KL of 0.0004, because their margins are tiny.
#pragma once

#include <filesystem>

#include "backend/backend.h"
#include "mm_orch/fidelity.h"
#include "weights/model_source.h"

namespace mm_orch::exporter {

struct FidelityRequest {
  const weights::ModelSource& source;
  const graph::Graph& graph;  // of the source
  backend::Backend& backend;  // of the exported model
  std::filesystem::path xml;
  backend::Precision precision = backend::Precision::kFP32;
  backend::Progress progress = {};  // of the positions
  bool keep_compiled = false;       // what the check compiles, for the first load
};

/// A model that cannot be loaded or run fails. Where the source cannot be run, or the memory for
/// both is not there, the report says unchecked, and why.
/// @throws CancelledError  from `progress`.
FidelityReport check_fidelity(const FidelityRequest& request);

/// What is allowed.
FidelityBounds fidelity_bounds(backend::Precision precision);

/// The report of an export whose check was not wanted.
FidelityReport unchecked(const weights::ModelSource& source, backend::Precision precision,
                         const std::string& reason);

}  // namespace mm_orch::exporter
