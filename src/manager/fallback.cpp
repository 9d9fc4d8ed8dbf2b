#include "manager/fallback.h"

#include <fmt/format.h>

#include <chrono>

#include "mm_orch/log.h"

namespace mm_orch {

std::string fallback_reason_name(FallbackReason reason) {
  switch (reason) {
    case FallbackReason::kBackendNotAvailable:
      return "backend_not_available";
    case FallbackReason::kModelNotExported:
      return "model_not_exported";
    case FallbackReason::kModelFileInvalid:
      return "model_file_invalid";
    case FallbackReason::kCompileFailed:
      return "compile_failed";
    case FallbackReason::kDeviceNotAvailable:
      return "device_not_available";
    case FallbackReason::kInferenceFailed:
      return "inference_failed";
    case FallbackReason::kNumericFault:
      return "numeric_fault";
    case FallbackReason::kOutOfMemory:
      return "out_of_memory";
    case FallbackReason::kFidelityCheckFailed:
      return "fidelity_check_failed";
  }
  return "unknown";
}

namespace manager {

FallbackReason reason_of(const MuAIError& error) {
  switch (error.code()) {
    case ErrorCode::kBackendInitialization:
      return FallbackReason::kBackendNotAvailable;
    case ErrorCode::kModelNotFound:
      return FallbackReason::kModelNotExported;
    case ErrorCode::kFileValidation:
      return FallbackReason::kModelFileInvalid;
    case ErrorCode::kDevice:
      return FallbackReason::kDeviceNotAvailable;
    case ErrorCode::kInference:
      return FallbackReason::kInferenceFailed;
    case ErrorCode::kNumericFault:
      return FallbackReason::kNumericFault;
    case ErrorCode::kOutOfMemory:
      return FallbackReason::kOutOfMemory;
    case ErrorCode::kFidelity:
      return FallbackReason::kFidelityCheckFailed;
    default:
      return FallbackReason::kCompileFailed;
  }
}

bool may_fall_back(const MuAIError& error) {
  switch (error.code()) {
    case ErrorCode::kConfiguration:
    case ErrorCode::kInvalidInput:
    case ErrorCode::kCancelled:
    case ErrorCode::kOverloaded:
      return false;
    default:
      return true;
  }
}

void rethrow_with(const MuAIError& error, const std::string& addition) {
  throw_error(error.code(), error.what() + addition, error.context());
}

void FallbackLog::record(const std::string& model, const std::string& from_backend,
                         const std::string& to_backend, FallbackReason reason,
                         const std::string& message) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  {
    const std::lock_guard lock(mutex_);
    if (events_.size() == kMostEvents) events_.pop_front();
    events_.push_back({std::chrono::duration<double>(now).count(), model, from_backend, to_backend,
                       reason, message});
    ++counts_[from_backend][model];
  }
  log(LogLevel::kWarning,
      fmt::format("{}: falling back from {} to {} ({}): {}", model, from_backend, to_backend,
                  fallback_reason_name(reason), message));
}

std::vector<FallbackEvent> FallbackLog::events() const {
  const std::lock_guard lock(mutex_);
  return {events_.begin(), events_.end()};
}

int64_t FallbackLog::count(const std::string& from_backend,
                           const std::optional<std::string>& model) const {
  const std::lock_guard lock(mutex_);
  int64_t count = 0;
  if (const auto found = counts_.find(from_backend); found != counts_.end())
    for (const auto& [name, of_model] : found->second)
      if (!model || *model == name) count += of_model;
  return count;
}

}  // namespace manager
}  // namespace mm_orch
