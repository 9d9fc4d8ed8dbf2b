#include "paged_decoder.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "guard.h"
#include "ops/packed_linear.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {
namespace {

// Keys and values are what is computed in.
DType cache_type(const Program& program) {
  return program.precision() == Precision::kF32 ? DType::kF32 : DType::kBF16;
}

backend::PagedRunner::Layout plan(const Program& program, uint64_t kv_cache_bytes) {
  const auto bytes =
      static_cast<uint64_t>(KvCache::block_bytes(program.cache_shapes(), cache_type(program)));
  return {KvCache::kBlockTokens, bytes,
          backend::blocks_within(kv_cache_bytes, bytes, KvCache::kBlockTokens,
                                 program.info().context_length)};
}

}  // namespace

PagedDecoder::PagedDecoder(const Program& program, int num_threads, uint64_t kv_cache_bytes)
    : PagedRunner(program.info(), plan(program, kv_cache_bytes)),
      program_(program),
      num_threads_(num_threads),
      cache_(program.cache_shapes(), cache_type(program), layout().blocks) {
  frame_.cache = &cache_;
}

int64_t PagedDecoder::alike_tokens() const {
  return std::min(kFewTokens, most_unpacked_rows(program_.precision()));
}

void PagedDecoder::lay_out(std::span<const backend::SequenceStep> sequences) {
  for (auto* list : {&frame_.ids, &frame_.positions, &frame_.few_rows, &frame_.logit_rows})
    list->clear();
  frame_.sequences.clear();
  frame_.sequence_of.clear();
  frame_.mask_sequence = nullptr;
  for (const auto& sequence : sequences) {
    const auto first = static_cast<int64_t>(frame_.ids.size());
    const auto count = static_cast<int64_t>(sequence.tokens.size());
    frame_.ids.insert(frame_.ids.end(), sequence.tokens.begin(), sequence.tokens.end());
    cache_.blocks().prepare(written_blocks(sequence));
    for (int64_t t = 0; t < count; ++t) {
      frame_.positions.push_back(sequence.past + t);
      if (count <= kFewTokens) frame_.few_rows.push_back(first + t);
      if (t >= count - sequence.logits) frame_.logit_rows.push_back(first + t);
    }
    frame_.sequence_of.resize(frame_.ids.size(), frame_.sequences.size());
    frame_.sequences.push_back({first, count, sequence.past, sequence.blocks.data(),
                                static_cast<const SourceText*>(sequence.source)});
  }
}

void PagedDecoder::run(std::span<const backend::SequenceStep> sequences,
                       std::vector<float>& logits) {
  guarded<InferenceError>("run a step", [&] {
    const c10::InferenceMode inference_mode;
    use_threads(num_threads_);
    lay_out(sequences);
    program_.run(frame_, logits);
  });
}

std::vector<std::shared_ptr<const backend::EncodedSource>> PagedDecoder::encode(
    const std::vector<std::span<const int64_t>>& texts) {
  return guarded<InferenceError>("read the source texts", [&] {
    const c10::InferenceMode inference_mode;
    use_threads(num_threads_);
    const auto states = program_.read_sources({.tokens = texts, .types = {}});
    std::vector<std::shared_ptr<const backend::EncodedSource>> sources;
    for (size_t text = 0; text < texts.size(); ++text)
      sources.push_back(std::make_shared<SourceText>(states, text));
    return sources;
  });
}

}  // namespace mm_orch::torch_backend
