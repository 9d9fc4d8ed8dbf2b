// Vectors and class scores of texts, from a model with an encoder alone.
#pragma once

#include <vector>

#include "manager/failover_sessions.h"
#include "manager/model_assets.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

/// Texts, or pairs of texts, as tokens.
struct TokenizedTexts {
  std::vector<std::vector<int64_t>> tokens;  // [B][E_b]
  std::vector<std::vector<int64_t>> types;   // 0 for the first text of a pair, 1 for the second
};
/// @param pairs     the second text of each; empty: none.
/// @param truncate  cut at the model's longest length, the longer text of a pair first.
TokenizedTexts tokenize(const ModelAssets& assets, const std::vector<std::string>& texts,
                        const std::vector<std::string>& pairs, bool truncate);

/// @return [B, H]. @throws InvalidInputError  no text, no encoder, or a text beyond the context.
Embeddings embed(FailoverSessions& sessions, const ModelAssets& assets, const TokenizedTexts& texts,
                 const EmbedOptions& options);
/// @return [B, labels]. @throws InvalidInputError  also where the model has no classification head.
Classification classify(FailoverSessions& sessions, const ModelAssets& assets,
                        const TokenizedTexts& texts);

}  // namespace mm_orch::manager
