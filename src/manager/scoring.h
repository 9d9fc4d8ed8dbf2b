// Log-probabilities of given tokens, by one pass or token by token.
#pragma once

#include <cstdint>
#include <span>

#include "generation/generator.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

/// @throws InvalidInputError  an id is outside [0, V).
MM_ORCH_EXPORT void check_token_ids(std::span<const int64_t> tokens, const graph::ModelInfo& info);

/// @param tokens  [T], each in [0, V), 1 <= T <= context length.
/// @throws InvalidInputError  otherwise.
MM_ORCH_EXPORT ScoreResult score_tokens(generation::SessionProvider& sessions,
                                        const graph::ModelInfo& info,
                                        std::span<const int64_t> tokens,
                                        const ScoreOptions& options);

}  // namespace mm_orch::manager
