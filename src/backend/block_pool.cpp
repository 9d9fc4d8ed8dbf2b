#include "backend/block_pool.h"

namespace mm_orch::backend {

BlockPool::BlockPool(int64_t blocks) {
  blocks_.resize(static_cast<size_t>(blocks));
  for (auto& block : blocks_) block.known = known_.end();
  for (int64_t i = blocks; i-- > 0;) unused_.push_back(static_cast<int32_t>(i));
}

std::optional<int32_t> BlockPool::take() {
  const std::lock_guard lock(mutex_);
  int32_t block = 0;
  if (!unused_.empty()) {
    block = unused_.back();
    unused_.pop_back();
  } else if (!idle_.empty()) {
    block = idle_.front();
    idle_.pop_front();
    forget(block);
  } else {
    return std::nullopt;
  }
  blocks_[static_cast<size_t>(block)].users = 1;
  return block;
}

void BlockPool::share(int32_t block) {
  const std::lock_guard lock(mutex_);
  add_user(block);
}

void BlockPool::release(int32_t block) {
  const std::lock_guard lock(mutex_);
  Block& entry = blocks_[static_cast<size_t>(block)];
  if (--entry.users > 0) return;
  if (entry.known == known_.end())
    unused_.push_back(block);
  else
    entry.idle = idle_.insert(idle_.end(), block);
}

bool BlockPool::writable(int32_t block) const {
  const std::lock_guard lock(mutex_);
  const Block& entry = blocks_[static_cast<size_t>(block)];
  return entry.users == 1 && entry.known == known_.end();
}

std::optional<std::pair<int32_t, BlockPool::Content>> BlockPool::find(
    Content parent, std::span<const int64_t> tokens) {
  const std::lock_guard lock(mutex_);
  const auto found = known_.find({parent, {tokens.begin(), tokens.end()}});
  if (found == known_.end()) return std::nullopt;
  add_user(found->second.block);
  return std::pair(found->second.block, found->second.content);
}

BlockPool::Content BlockPool::publish(int32_t block, Content parent,
                                      std::span<const int64_t> tokens) {
  const std::lock_guard lock(mutex_);
  const auto [entry, added] =
      known_.try_emplace({parent, {tokens.begin(), tokens.end()}}, Known{block, last_content_ + 1});
  if (added) {
    ++last_content_;
    blocks_[static_cast<size_t>(block)].known = entry;
  }
  return entry->second.content;
}

int64_t BlockPool::available() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(unused_.size() + idle_.size());
}

void BlockPool::add_user(int32_t block) {
  Block& entry = blocks_[static_cast<size_t>(block)];
  if (entry.users++ == 0 && entry.known != known_.end()) idle_.erase(entry.idle);
}

void BlockPool::forget(int32_t block) {
  auto& known = blocks_[static_cast<size_t>(block)].known;
  known_.erase(known);
  known = known_.end();
}

}  // namespace mm_orch::backend
