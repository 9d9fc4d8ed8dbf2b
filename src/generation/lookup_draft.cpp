#include "generation/lookup_draft.h"

#include <algorithm>

namespace mm_orch::generation {

constexpr int64_t kLeast = 3;
constexpr int64_t kShortestPause = 2, kLongestPause = 64;

// The key that ends at the last token is not entered: it would find itself.
void LookupDraft::learn(std::span<const int64_t> tokens) {
  for (const int64_t token : tokens) {
    const auto size = static_cast<int64_t>(history_.size());
    if (size >= kKey) after_[{history_.end() - kKey, history_.end()}] = size;
    history_.push_back(token);
  }
}

std::span<const int64_t> LookupDraft::guess(std::span<const int64_t> prompt,
                                            std::span<const int64_t> new_tokens) {
  const size_t known = history_.size();
  if (known < prompt.size()) learn(prompt.subspan(known));
  learn(new_tokens.subspan(history_.size() - prompt.size()));
  guess_.clear();
  if (pause_ > 0) {
    --pause_;
    return {};
  }
  const auto size = static_cast<int64_t>(history_.size());
  if (size < kKey) return {};
  const auto found = after_.find({history_.end() - kKey, history_.end()});
  if (found == after_.end()) return {};
  const auto first = history_.begin() + found->second;
  guess_.assign(first, first + std::min(length_, size - found->second));
  return guess_;
}

void LookupDraft::judge(int64_t right, double cost) {
  if (guess_.empty()) return;
  const auto guessed = static_cast<int64_t>(guess_.size());
  const bool pays = right > 0 && static_cast<double>(1 + right) > cost;
  if (pays && right == guessed) {
    length_ = std::min(2 * length_, kMost);
    next_pause_ = kShortestPause;
  } else if (!pays || 2 * right < guessed) {
    length_ = std::max(length_ / 2, kLeast);
  }
  if (pays) return;
  pause_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
}

}  // namespace mm_orch::generation
