#include "manager/recent_prompts.h"

#include <utility>

namespace mm_orch::manager {

void RecentPrompts::keep(bool keep) {
  const std::lock_guard lock(mutex_);
  keep_ = keep;
  if (!keep) prompts_.clear();
}

void RecentPrompts::add(RecentPrompt prompt) {
  if (prompt.tokens.size() > kMostTokens || prompt.new_tokens < 1) return;
  const std::lock_guard lock(mutex_);
  if (!keep_) return;
  prompts_.push_front(std::move(prompt));
  if (prompts_.size() > kMost) prompts_.pop_back();
}

std::vector<RecentPrompt> RecentPrompts::of_last_model() const {
  const std::lock_guard lock(mutex_);
  std::vector<RecentPrompt> found;
  for (const auto& prompt : prompts_)
    if (prompt.model == prompts_.front().model) found.push_back(prompt);
  return found;
}

}  // namespace mm_orch::manager
