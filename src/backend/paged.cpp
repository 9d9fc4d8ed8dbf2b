#include "backend/paged.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/inputs.h"

namespace mm_orch::backend {

void PagedRunner::check(const SequenceStep& sequence) const {
  const auto count = static_cast<int64_t>(sequence.tokens.size());
  if (count == 0) throw InvalidInputError("A sequence has no token to feed; it needs one or more");
  check_token_ids(sequence.tokens, info_.vocabulary_size);
  const int64_t end = sequence.past + count;
  if (sequence.past < 0 || (info_.context_length > 0 && end > info_.context_length))
    throw InvalidInputError(fmt::format("{} tokens after {} exceed the context of {} tokens", count,
                                        sequence.past, info_.context_length));
  if (static_cast<int64_t>(sequence.blocks.size()) * layout_.block_tokens < end)
    throw InvalidInputError(fmt::format("{} blocks of {} tokens do not hold {} tokens",
                                        sequence.blocks.size(), layout_.block_tokens, end));
  for (const int32_t block : sequence.blocks)
    if (block < 0 || block >= layout_.blocks)
      throw InvalidInputError(
          fmt::format("There is no block {}; allowed are [0, {})", block, layout_.blocks));
  if (sequence.logits < 0 || sequence.logits > count)
    throw InvalidInputError(
        fmt::format("Logits of {} tokens are asked for where {} are fed", sequence.logits, count));
  if (info_.kind == graph::ModelKind::kEncoderDecoder && !sequence.source)
    throw InvalidInputError("A sequence of an encoder-decoder model has no source");
}

void PagedRunner::step(std::span<const SequenceStep> sequences, std::vector<float>& logits) {
  if (sequences.empty()) throw InvalidInputError("A step has no sequences; it needs one or more");
  for (const auto& sequence : sequences) check(sequence);
  const std::lock_guard lock(mutex_);
  run(sequences, logits);
}

std::vector<std::shared_ptr<const EncodedSource>> PagedRunner::read_sources(
    const std::vector<std::span<const int64_t>>& texts) {
  const std::lock_guard lock(mutex_);
  return encode(texts);
}

std::vector<std::shared_ptr<const EncodedSource>> PagedRunner::encode(
    const std::vector<std::span<const int64_t>>&) {
  throw InvalidInputError("The model reads no source texts");
}

void PagedRunner::copy_block(int32_t from, int32_t to) {
  const std::lock_guard lock(mutex_);
  copy(from, to);
}

std::span<const int32_t> PagedRunner::written_blocks(const SequenceStep& sequence) const {
  const int64_t first = sequence.past / layout_.block_tokens;
  const int64_t end =
      layout_.blocks_for(sequence.past + static_cast<int64_t>(sequence.tokens.size()));
  return sequence.blocks.subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
}

int64_t blocks_within(uint64_t budget_bytes, uint64_t block_bytes, int64_t block_tokens,
                      int64_t context_length) {
  constexpr uint64_t kLeast = 4096;  // also where there is no attention: blocks are counted too
  const auto fitting = static_cast<int64_t>(budget_bytes / std::max(block_bytes, kLeast));
  return std::max(fitting, (context_length + block_tokens - 1) / block_tokens);
}

}  // namespace mm_orch::backend
