// A model in memory: what it is, the backend's compiled form that serves it, and the
// PyTorch form that stands in for it once it was needed. Thread-safe.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "backend/backend.h"
#include "manager/backend_choice.h"
#include "manager/circuit_breaker.h"
#include "manager/model_assets.h"

namespace mm_orch::manager {

struct HostedModel {
  ModelAssets assets;
  Placement asked;             // what the caller wanted
  std::string backend;         // that serves it
  std::filesystem::path path;  // of the weights in use: the source, or the .xml
  std::string fingerprint;     // of the weights an .xml was exported from; empty if unknown
  std::shared_ptr<backend::LoadedModel> model;
  std::unique_ptr<CircuitBreaker> breaker;  // none: the backend is tried at every call

  /// The stand-in; made by `load` at the first call, then kept.
  std::shared_ptr<backend::LoadedModel> standby(
      const std::function<std::shared_ptr<backend::LoadedModel>()>& load) {
    const std::lock_guard lock(standby_mutex_);
    if (!standby_) {
      standby_ = load();
      standby_bytes_ = standby_->memory_bytes();
    }
    return standby_;
  }

  /// Of the weights in memory, the stand-in's too.
  uint64_t memory_bytes() const { return model->memory_bytes() + standby_bytes_; }

 private:
  std::atomic<uint64_t> standby_bytes_ = 0;
  std::mutex standby_mutex_;
  std::shared_ptr<backend::LoadedModel> standby_;
};

}  // namespace mm_orch::manager
