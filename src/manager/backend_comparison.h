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

/// The options' prompts, checked against the model.
/// @throws InvalidInputError  see ModelManager::compare_backends.
std::vector<RecentPrompt> prompts_of(const ComparisonOptions& options, const ModelAssets& assets);

/// Greedy, to the length that each prompt had, whatever token ends a text elsewhere.
/// @param prompts  at least one, all of the model that `first` and `second` serve.
/// @param options  progress and cancel count here.
/// @throws  what a generation throws; a side that falls back in its middle is a BackendError.
BackendComparison compare_on(const std::vector<RecentPrompt>& prompts, HostedModel& first,
                             HostedModel& second, ModelLoader& loader,
                             const ComparisonOptions& options);

}  // namespace mm_orch::manager
