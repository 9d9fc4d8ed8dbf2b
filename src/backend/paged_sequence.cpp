#include "backend/paged_sequence.h"

#include <fmt/format.h>

#include "mm_orch/errors.h"

namespace mm_orch::backend {

void DirectStepper::step(std::span<PagedSequence* const> sequences, std::vector<float>& logits) {
  std::vector<SequenceStep> steps;
  for (auto* sequence : sequences) {
    if (!sequence->table.reserve(sequence->computed, sequence->missing()))
      throw_cache_full(runner_);
    steps.push_back({std::span(sequence->tokens).subspan(static_cast<size_t>(sequence->computed)),
                     sequence->computed, sequence->table.blocks(), sequence->logits,
                     sequence->source.get()});
  }
  runner_.step(steps, logits);
  for (auto* sequence : sequences) sequence->computed += sequence->missing();
}

void throw_cache_full(const PagedRunner& runner) {
  const auto& layout = runner.layout();
  throw OutOfMemoryError(
      fmt::format("The KV cache is full: its {} blocks hold {} tokens ({} MB); ask for fewer or "
                  "shorter texts at once, or give it more room (scheduler.kv_cache_mb)",
                  layout.blocks, layout.blocks * layout.block_tokens,
                  (static_cast<uint64_t>(layout.blocks) * layout.block_bytes) >> 20));
}

}  // namespace mm_orch::backend
