// Which of two forms of a model is faster: both answer the same small request in turns.
#pragma once

#include <memory>

#include "backend/backend.h"

namespace mm_orch::exporter {

/// Tokens of the request's prompt, at most; of an encoder-decoder model those of its source.
int64_t duel_prompt_tokens(const graph::ModelInfo& info);

struct DuelTimes {
  double prefill_ms = 0;
  double decode_ms = 0;
};

struct DuelResult {
  DuelTimes first, second;   // medians
  double ratio = 1;          // of the second's time to the first's: the median of the rounds
  bool second_wins = false;  // by more than the rounds differ
};

DuelResult duel(backend::LoadedModel& first, backend::LoadedModel& second,
                const graph::ModelInfo& info);

}  // namespace mm_orch::exporter
