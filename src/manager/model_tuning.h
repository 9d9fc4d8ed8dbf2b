// When an exported model is tuned besides `tune_model`: with its export, and at a load that
// finds its tuning out of date and may make what is missing (`auto_export`).
#pragma once

#include <optional>

#include "exporter/tuning.h"

namespace mm_orch::manager {

/// None for an encoder alone, and where it cannot be done, which the log says: a model serves
/// without it.
/// @throws CancelledError  from the request's `progress`.
std::optional<TuningReport> tune_if_possible(const exporter::TuningRequest& request);

/// Tunes a model that was tuned before, unless what was found is true of this process.
void renew_tuning(const exporter::TuningRequest& request);

}  // namespace mm_orch::manager
