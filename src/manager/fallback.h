// The record of what fell back to where, and why. The reasons are a closed list.
// Thread-safe; an event is logged once, with no lock held.
#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

/// The reason that an error is, while a model is loaded or run.
MM_ORCH_EXPORT FallbackReason reason_of(const MuAIError& error);

/// False for what is the caller's own mistake or wish (configuration, input, cancellation): there
/// the error itself is the answer.
MM_ORCH_EXPORT bool may_fall_back(const MuAIError& error);

/// Throws the same type, code and context as `error`, with `addition` after its message.
[[noreturn]] MM_ORCH_EXPORT void rethrow_with(const MuAIError& error, const std::string& addition);

class MM_ORCH_EXPORT FallbackLog {
 public:
  /// Keeps the event, counts it and logs it as a warning.
  void record(const std::string& model, const std::string& from_backend,
              const std::string& to_backend, FallbackReason reason, const std::string& message);

  std::vector<FallbackEvent> events() const;  // the last kMostEvents, oldest first
  /// @param model  not set: of all models together.
  int64_t count(const std::string& from_backend,
                const std::optional<std::string>& model = {}) const;

  static constexpr size_t kMostEvents = 1000;

 private:
  mutable std::mutex mutex_;
  std::deque<FallbackEvent> events_;
  std::map<std::string, std::map<std::string, int64_t>> counts_;  // backend → model
};

}  // namespace mm_orch::manager
