// The last prompts, as token ids, for comparing backends on what the user really asks.
// In memory only, and bounded; `statistics: {keep_prompts: false}` keeps none. Thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch::manager {

struct RecentPrompt {
  std::string model;
  std::vector<int64_t> tokens;
  int64_t new_tokens = 0;  // that were generated
};

class MM_ORCH_EXPORT RecentPrompts {
 public:
  static constexpr size_t kMost = 8;
  static constexpr size_t kMostTokens = 2048;  // a longer prompt is not kept

  explicit RecentPrompts(bool keep) : keep_(keep) {}

  /// False forgets those that are kept, too.
  void keep(bool keep);

  void add(RecentPrompt prompt);
  /// Those of the model that was used last, newest first; empty if none is kept.
  std::vector<RecentPrompt> of_last_model() const;

 private:
  mutable std::mutex mutex_;
  bool keep_;
  std::deque<RecentPrompt> prompts_;  // newest first
};

}  // namespace mm_orch::manager
