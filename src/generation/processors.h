// Changes to the scores of a position before a token is chosen: the logits when one
// sequence is followed, the log probabilities when beams are, as in transformers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generation/logit_scan.h"

namespace mm_orch::generation {

/// @throws NumericFaultError  a NaN or an infinite logit; `new_token` is its position for the text.
void require_finite(const LogitScan& scan, std::span<const float> logits, int64_t new_token);

/// Divides positive and multiplies negative scores of the tokens `seen` (each once).
void penalize_repetition(std::span<float> scores, std::span<const int64_t> seen, float penalty);

/// Makes `tokens` impossible.
void forbid(std::span<float> scores, std::span<const int64_t> tokens);

}  // namespace mm_orch::generation
