// Chooses settings of an exported model by measuring: one axis of settings after another,
// each choice against the best so far, in turns, so that what else the machine does falls on
// both. A choice that computes otherwise must hold the fidelity bound of the model's precision.
#pragma once

#include <filesystem>

#include "backend/backend.h"
#include "mm_orch/tuning.h"
#include "weights/model_source.h"

namespace mm_orch::exporter {

struct TuningRequest {
  const weights::ModelSource* source = nullptr;  // null: only what computes the same is tried
  backend::Backend& backend;                     // of the exported model
  std::filesystem::path xml;
  graph::ModelInfo info;
  backend::Progress progress = {};  // of the choices
};

/// Writes the report beside the model; no other tuning of it runs meanwhile. Two forms of it are in
/// memory at once.
/// @throws InvalidInputError  the model has an encoder alone: there is nothing to tune.
/// @throws OutOfMemoryError   the memory is not there.
/// @throws BackendError       the model cannot be run as it was exported, the report not written,
///                            or another tunes it now.
/// @throws CancelledError     from `progress`.
MM_ORCH_EXPORT TuningReport tune(const TuningRequest& request);

}  // namespace mm_orch::exporter
