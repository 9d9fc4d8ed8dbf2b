// How much each model was used: counted since the manager was made, whether the model is
// still in memory or not. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

class MM_ORCH_EXPORT UsageStats {
 public:
  void loaded(const std::string& model);
  /// A call that needs the model begins.
  void used(const std::string& model);
  void generated(const std::string& model, int64_t prompt_tokens, int64_t new_tokens);

  /// `loaded_since_s` is set of each model that was ever loaded; the caller knows which still are.
  std::map<std::string, ModelUsage> all() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, ModelUsage> models_;
};

}  // namespace mm_orch::manager
