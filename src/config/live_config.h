// The configuration in force. Who needs it takes the one of the moment and keeps it for
// the length of the work: what is replaced meanwhile does not change under its hands. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include "config/config.h"

namespace mm_orch::config {

class LiveConfig {
 public:
  explicit LiveConfig(Config config) { set(std::move(config)); }

  std::shared_ptr<const Config> get() const {
    const std::lock_guard lock(mutex_);
    return config_;
  }
  void set(Config config) {
    auto next = std::make_shared<const Config>(std::move(config));
    const std::lock_guard lock(mutex_);
    config_.swap(next);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Config> config_;
};

}  // namespace mm_orch::config
