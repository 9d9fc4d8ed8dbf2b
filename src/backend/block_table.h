// The blocks of one sequence, given back when it goes. Forks share them until one writes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/paged.h"

namespace mm_orch::backend {

class MM_ORCH_EXPORT BlockTable {
 public:
  explicit BlockTable(PagedRunner& runner) : runner_(&runner) {}
  ~BlockTable() { clear(); }
  BlockTable(BlockTable&& other) noexcept;
  BlockTable& operator=(BlockTable&& other) noexcept;

  /// Makes room for the tokens [past, past + count), in blocks that this table alone writes.
  /// @return  false if the pool has too few; what is there stays.
  bool reserve(int64_t past, int64_t count);
  /// A table of the same blocks.
  BlockTable fork() const;
  /// Goes on, block by block, with what is known to hold the next of `tokens`. All blocks that it
  /// has are full and published.
  /// @return  tokens that it holds now.
  int64_t adopt(std::span<const int64_t> tokens);
  /// Makes the full blocks of `tokens`, all computed, known for others to adopt.
  void publish(std::span<const int64_t> tokens);
  void clear();

  std::span<const int32_t> blocks() const { return blocks_; }

 private:
  PagedRunner* runner_;
  std::vector<int32_t> blocks_;
  std::vector<BlockPool::Content> contents_;  // of the first blocks, as far as they are published
};

}  // namespace mm_orch::backend
