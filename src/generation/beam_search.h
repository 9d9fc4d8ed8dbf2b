// Beam search for a batch of prompts over one Session: a row for each beam.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "generation/generator.h"

namespace mm_orch::generation {

/// As `generate`, with config.num_beams > 1; the result of a prompt is its best text.
std::vector<GenerationResult> beam_search(SessionProvider& sessions,
                                          const std::shared_ptr<const text::Tokenizer>& tokenizer,
                                          std::span<const std::vector<int64_t>> prompts,
                                          const ResolvedConfig& config,
                                          std::span<const std::vector<int64_t>> sources);

}  // namespace mm_orch::generation
