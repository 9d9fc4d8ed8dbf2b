// The configuration in force, and the file it came from. Who needs it takes the one of the
// moment and keeps it for the length of the work: what is replaced meanwhile does not change under
// its hands. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "config/config.h"

namespace mm_orch::config {

class LiveConfig {
 public:
  LiveConfig(Config config, std::optional<std::string> path) {
    set(std::move(config), std::move(path));
  }

  std::shared_ptr<const Config> get() const {
    const std::lock_guard lock(mutex_);
    return config_;
  }
  std::optional<std::string> path() const {
    const std::lock_guard lock(mutex_);
    return path_;
  }
  void set(Config config, std::optional<std::string> path) {
    auto next = std::make_shared<const Config>(std::move(config));
    const std::lock_guard lock(mutex_);
    config_.swap(next);
    path_.swap(path);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Config> config_;
  std::optional<std::string> path_;
};

}  // namespace mm_orch::config
