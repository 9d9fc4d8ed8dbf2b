#include "backend/block_table.h"

#include <algorithm>
#include <utility>

namespace mm_orch::backend {

BlockTable::BlockTable(BlockTable&& other) noexcept
    : runner_(other.runner_),
      blocks_(std::exchange(other.blocks_, {})),
      contents_(std::exchange(other.contents_, {})) {}

BlockTable& BlockTable::operator=(BlockTable&& other) noexcept {
  std::swap(runner_, other.runner_);
  std::swap(blocks_, other.blocks_);
  std::swap(contents_, other.contents_);
  return *this;
}

bool BlockTable::reserve(int64_t past, int64_t count) {
  BlockPool& pool = runner_->pool();
  const int64_t block_tokens = runner_->layout().block_tokens;
  const auto wanted = static_cast<size_t>(runner_->layout().blocks_for(past + count));
  contents_.resize(std::min(contents_.size(), static_cast<size_t>(past / block_tokens)));
  for (auto i = static_cast<size_t>(past / block_tokens); i < wanted; ++i) {
    if (i < blocks_.size() && pool.writable(blocks_[i])) continue;
    const auto block = pool.take();
    if (!block) return false;
    if (i >= blocks_.size()) {
      blocks_.push_back(*block);
      continue;
    }
    if (past > static_cast<int64_t>(i) * block_tokens) runner_->copy_block(blocks_[i], *block);
    pool.release(std::exchange(blocks_[i], *block));
  }
  return true;
}

BlockTable BlockTable::fork() const {
  BlockTable copy(*runner_);
  copy.blocks_ = blocks_;
  copy.contents_ = contents_;
  for (const int32_t block : blocks_) runner_->pool().share(block);
  return copy;
}

int64_t BlockTable::adopt(std::span<const int64_t> tokens) {
  const auto block_tokens = static_cast<size_t>(runner_->layout().block_tokens);
  BlockPool::Content parent = contents_.empty() ? 0 : contents_.back();
  while ((blocks_.size() + 1) * block_tokens <= tokens.size()) {
    const auto found =
        runner_->pool().find(parent, tokens.subspan(blocks_.size() * block_tokens, block_tokens));
    if (!found) break;
    blocks_.push_back(found->first);
    contents_.push_back(parent = found->second);
  }
  return static_cast<int64_t>(blocks_.size() * block_tokens);
}

void BlockTable::publish(std::span<const int64_t> tokens) {
  const auto block_tokens = static_cast<size_t>(runner_->layout().block_tokens);
  while ((contents_.size() + 1) * block_tokens <= tokens.size()) {
    const size_t i = contents_.size();
    contents_.push_back(runner_->pool().publish(blocks_[i], i == 0 ? 0 : contents_[i - 1],
                                                tokens.subspan(i * block_tokens, block_tokens)));
  }
}

void BlockTable::clear() {
  // The last ones first, so that beginnings stay the longest.
  while (!blocks_.empty()) {
    runner_->pool().release(blocks_.back());
    blocks_.pop_back();
  }
  contents_.clear();
}

}  // namespace mm_orch::backend
