// What every backend checks of its inputs, in the same words.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace mm_orch::backend {

/// @throws InvalidInputError  unless `options` fit a model of `info`: batch, padding, and sources
///                            where the model is an encoder-decoder, with ids in [0, V).
MM_ORCH_EXPORT void check_session_options(const SessionOptions& options,
                                          const graph::ModelInfo& info);
/// @throws InvalidInputError  an id is outside [0, `vocabulary_size`).
MM_ORCH_EXPORT void check_token_ids(std::span<const int64_t> ids, int64_t vocabulary_size);
/// As check_session_options, for a model with an encoder alone: lengths up to the context, ids in
/// [0, V), types 0 or 1.
MM_ORCH_EXPORT void check_encoder_input(const EncoderInput& input, const graph::ModelInfo& info);

/// The distinct ones of `sources`, and which of them each sequence has.
struct UniqueSources {
  std::vector<std::span<const int64_t>> texts;
  std::vector<int32_t> index;  // [B]
};
MM_ORCH_EXPORT UniqueSources unique_sources(const std::vector<std::span<const int64_t>>& sources);

}  // namespace mm_orch::backend
