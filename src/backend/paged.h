// A KV cache in blocks, and steps over it: at each step any sequences of the model, each
// with any number of tokens. Which blocks a sequence has is the caller's business
// (BlockPool, BlockTable); a runner keeps what lies in them.
// Source: Kwon et al. 2023, "Efficient Memory Management for Large Language Model Serving
// with PagedAttention".
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "backend/block_pool.h"
#include "graph/graph.h"

namespace mm_orch::backend {

/// What a decoder reads of a source text.
class EncodedSource {
 public:
  virtual ~EncodedSource() = default;
};

/// What one sequence feeds in a step.
struct SequenceStep {
  std::span<const int64_t> tokens;  // [T], one or more, ids in [0, V)
  int64_t past = 0;                 // its tokens that the cache holds; what lies behind is replaced
  std::span<const int32_t> blocks;  // in order of its tokens, for past + T of them at least
  int64_t logits = 1;               // of how many of its last tokens logits are wanted, [0, T]
  const EncodedSource* source = nullptr;  // of an encoder-decoder model, which needs one
};

class MM_ORCH_EXPORT PagedRunner {
 public:
  struct Layout {
    int64_t block_tokens = 0;  // tokens a block holds
    uint64_t block_bytes = 0;  // in all layers, keys and values
    int64_t blocks = 0;

    int64_t blocks_for(int64_t tokens) const { return (tokens + block_tokens - 1) / block_tokens; }
  };

  virtual ~PagedRunner() = default;
  const graph::ModelInfo& info() const { return info_; }
  const Layout& layout() const { return layout_; }
  BlockPool& pool() { return pool_; }
  /// A step of at most so many tokens, past the prompts, gives each the logits that steps of a
  /// token would, bit for bit. 0: that is not promised of any number.
  virtual int64_t alike_tokens() const { return 0; }

  /// One step of all `sequences`; of no two of them the same block is written. Steps of several
  /// threads follow each other.
  /// @param logits  receives float32 [sum of SequenceStep::logits, V], sequence after sequence; V
  ///                is info().vocabulary_size.
  /// @throws InvalidInputError  an id outside [0, V), past + T beyond the context, or a sequence
  ///                            that does not fit its blocks; nothing was done.
  /// @throws InferenceError     the backend failed; what the blocks of these sequences hold after
  ///                            `past` is not to be trusted.
  void step(std::span<const SequenceStep> sequences, std::vector<float>& logits);
  /// Reads source texts, each of one token or more, for the sequences of an encoder-decoder model.
  std::vector<std::shared_ptr<const EncodedSource>> read_sources(
      const std::vector<std::span<const int64_t>>& texts);
  /// Block `to` gets what block `from` holds.
  void copy_block(int32_t from, int32_t to);

 protected:
  PagedRunner(const graph::ModelInfo& info, const Layout& layout)
      : info_(info), layout_(layout), pool_(layout.blocks) {}
  /// Those that a step writes to.
  std::span<const int32_t> written_blocks(const SequenceStep& sequence) const;

 private:
  virtual void run(std::span<const SequenceStep> sequences, std::vector<float>& logits) = 0;
  virtual void copy(int32_t from, int32_t to) = 0;
  virtual std::vector<std::shared_ptr<const EncodedSource>> encode(
      const std::vector<std::span<const int64_t>>& texts);
  void check(const SequenceStep& sequence) const;

  const graph::ModelInfo info_;
  const Layout layout_;
  BlockPool pool_;
  std::mutex mutex_;
};

/// How many blocks of `block_bytes` fit `budget_bytes`, at least what one sequence of
/// `context_length` tokens needs.
MM_ORCH_EXPORT int64_t blocks_within(uint64_t budget_bytes, uint64_t block_bytes,
                                     int64_t block_tokens, int64_t context_length);

}  // namespace mm_orch::backend
