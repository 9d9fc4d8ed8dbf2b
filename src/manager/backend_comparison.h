// Two backends on the same prompts, in turn: the figures of a comparison come from runs
// made for it, so that both sides do the same work under the same load of the machine.
#pragma once

#include <vector>

#include "manager/hosted_model.h"
#include "manager/model_loader.h"
#include "manager/recent_prompts.h"

namespace mm_orch::manager {

/// Runs of each side, the warm-up not counted.
inline constexpr int kComparisonPairs = 8;

/// Greedy, to the length that each prompt had, whatever token ends a text elsewhere.
/// @param prompts  at least one, all of the model that `first` and `second` serve.
/// @throws  what a generation throws; a side that falls back in its middle is a BackendError.
MM_ORCH_EXPORT BackendComparison compare_on(const std::vector<RecentPrompt>& prompts,
                                            HostedModel& first, HostedModel& second,
                                            ModelLoader& loader);

}  // namespace mm_orch::manager
