#include "manager/usage_stats.h"

#include <chrono>

namespace mm_orch::manager {
namespace {

double unix_time_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

void UsageStats::loaded(const std::string& model) {
  const double now = unix_time_s();
  const std::lock_guard lock(mutex_);
  auto& usage = models_[model];
  ++usage.loads;
  usage.loaded_since_s = now;
  usage.last_used_s = now;
}

void UsageStats::used(const std::string& model) {
  const double now = unix_time_s();
  const std::lock_guard lock(mutex_);
  models_[model].last_used_s = now;
}

void UsageStats::generated(const std::string& model, int64_t prompt_tokens, int64_t new_tokens) {
  const std::lock_guard lock(mutex_);
  auto& usage = models_[model];
  ++usage.generations;
  usage.prompt_tokens += prompt_tokens;
  usage.new_tokens += new_tokens;
}

std::map<std::string, ModelUsage> UsageStats::all() const {
  const std::lock_guard lock(mutex_);
  return models_;
}

}  // namespace mm_orch::manager
