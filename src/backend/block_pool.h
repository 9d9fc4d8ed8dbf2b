// Which blocks of a KV cache are taken, by how many sequences, and which full ones hold
// a beginning that others may share. Contents are compared, not hashed alone: a block never
// answers for other tokens. Thread-safe.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch::backend {

class MM_ORCH_EXPORT BlockPool {
 public:
  /// What a full block holds: the block of tokens before it, and its own. 0 is the empty beginning.
  using Content = uint64_t;

  explicit BlockPool(int64_t blocks);

  /// A block for one sequence: an unused one, else the one whose content was last needed longest
  /// ago. Empty: all are taken.
  std::optional<int32_t> take();
  /// One more sequence uses it.
  void share(int32_t block);
  /// One sequence less; the content stays until the block is needed.
  void release(int32_t block);
  /// True if one sequence alone uses it, and no content of it is known to others.
  bool writable(int32_t block) const;

  /// A block with these tokens after `parent`, taken for one sequence, and its content.
  std::optional<std::pair<int32_t, Content>> find(Content parent, std::span<const int64_t> tokens);
  /// Says what a full block holds from now on. If another block holds the same, that one stays
  /// the known one.
  /// @return  the content, the parent of what follows.
  Content publish(int32_t block, Content parent, std::span<const int64_t> tokens);

  int64_t size() const { return static_cast<int64_t>(blocks_.size()); }
  /// How many `take` can give.
  int64_t available() const;
  /// How many are in use by sequences.
  int64_t taken() const { return size() - available(); }

 private:
  using Key = std::pair<Content, std::vector<int64_t>>;
  struct Known {
    int32_t block;
    Content content;
  };
  struct Block {
    int32_t users = 0;
    std::map<Key, Known>::iterator known;  // end(): none
    std::list<int32_t>::iterator idle;     // in idle_, while unused and known
  };

  void add_user(int32_t block);
  void forget(int32_t block);

  mutable std::mutex mutex_;
  std::vector<Block> blocks_;
  std::vector<int32_t> unused_;  // the last one goes first
  std::list<int32_t> idle_;      // unused, content known; the first one goes first
  std::map<Key, Known> known_;
  Content last_content_ = 0;
};

}  // namespace mm_orch::backend
