// The reference backend with faults on command, and artifacts that live as long as the
// process: a stand-in for either real backend.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "backend/backend.h"

namespace mm_orch::testing {

/// Each hook is called before its work and may throw. Set them while nothing runs.
struct Faults {
  std::function<void()> at_load;  // Backend::load
  std::function<void(const std::string& stem)> at_export;
  std::function<void()> at_open;  // open_artifact
  std::function<void(const std::string& device)> at_compile;
  std::function<void()> at_session;
  std::function<void(int64_t step)> at_step;  // steps of all sessions, warm-up included
  std::atomic<int64_t> nan_at_step = -1;
  std::function<void(std::span<float> logits)> change_logits;  // of an encoder alone: its vectors

  std::atomic<int64_t> loads = 0;  // load and compile together
  std::atomic<int64_t> exports = 0;
  std::atomic<int64_t> steps = 0;
  std::atomic<int64_t> live_models = 0;
};

/// Registers it under `name` ("pytorch", "openvino"), in the place of the one before.
std::shared_ptr<Faults> register_scripted_backend(const std::string& name);

}  // namespace mm_orch::testing
