// Vectors and class scores of texts, from a model with an encoder alone.
#pragma once

#include <vector>

#include "manager/failover_sessions.h"
#include "manager/model_assets.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

using Texts = std::vector<std::vector<int64_t>>;

/// @return [B, H]. @throws InvalidInputError  no text, no encoder, or a text beyond the context.
Embeddings embed(FailoverSessions& sessions, const ModelAssets& assets, const Texts& texts,
                 const EmbedOptions& options);
/// @param types  of each token, 0 or 1; empty: all 0.
/// @return [B, labels]. @throws InvalidInputError  also where the model has no classification head.
Classification classify(FailoverSessions& sessions, const ModelAssets& assets, const Texts& texts,
                        const Texts& types);

}  // namespace mm_orch::manager
