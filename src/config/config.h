// The configuration of backends: config/backend.yaml, or the same as JSON, read into
// plain data. It is validated while it is read; afterwards nothing changes it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mm_orch/errors.h"
#include "mm_orch/export.h"

namespace mm_orch::config {

/// When OpenVINO is set aside for a model, see src/manager/circuit_breaker.h.
struct CircuitBreakerConfig {
  int failures = 3;  // in a row; 0: never
  int retry_after_seconds = 30;
  bool operator==(const CircuitBreakerConfig&) const = default;
};

struct OpenVinoConfig {
  std::optional<std::string> device;  // "CPU", "GPU.1", "AUTO"; not set: the manager's default
  bool enable_fallback = true;
  std::string cache_dir = "models/openvino";  // where exported models lie
  bool auto_export = false;         // at load, what is missing or out of date; its tuning too
  bool keep_compiled = true;        // in a file beside the exported model, for the next load
  int num_threads = 0;              // 0: the backend's default
  int num_streams = 0;              // 0: the backend's default
  std::string inference_precision;  // "f32", "bf16", "f16"; empty: the model's own
  CircuitBreakerConfig circuit_breaker;
  std::map<std::string, std::string> properties;  // passed to OpenVINO as they are
  bool operator==(const OpenVinoConfig&) const = default;
};

struct PyTorchConfig {
  std::optional<std::string> device;
  int num_threads = 0;
  std::string inference_precision;
  bool operator==(const PyTorchConfig&) const = default;
};

/// How the requests to one model share it, see src/generation/scheduler.h.
struct SchedulerConfig {
  int kv_cache_mb = 1024;  // keys and values of all texts together; one context at least
  int max_sequences = 64;  // in one step
  int step_tokens = 128;   // of prompts, in a step in which others decode
  int max_waiting = 1024;  // requests that wait for room
  int wait_timeout_seconds = 600;
  bool operator==(const SchedulerConfig&) const = default;
};

struct StatisticsConfig {
  bool keep_prompts = true;      // the last prompts, in memory, for compare_backends
  int log_interval_seconds = 0;  // 0: the statistics are not logged
};

struct Config {
  std::optional<std::string> default_backend;  // "pytorch", "openvino"
  OpenVinoConfig openvino;
  PyTorchConfig pytorch;
  SchedulerConfig scheduler;
  StatisticsConfig statistics;
  std::map<std::string, std::string> model_overrides;  // model → backend
};

/// Reads YAML or JSON, with or without the outer `backend:` level.
/// @param origin  the file's name, for messages.
/// @throws ConfigurationError  naming origin, line, key, what was found and what is allowed.
MM_ORCH_EXPORT Config parse_config(std::string_view text, const std::string& origin);

/// Reads a file. One that is not there is the default configuration and a warning in the log, so
/// that removing it goes back to PyTorch.
/// @throws ConfigurationError  see parse_config; or the file cannot be read.
MM_ORCH_EXPORT Config load_config_file(const std::string& path);

/// Throws `code` (ConfigurationError, or InvalidInputError for a call's argument) if `backend` is
/// neither "pytorch" nor "openvino"; `what` names the option.
MM_ORCH_EXPORT void check_backend_name(const std::string& backend, const std::string& what,
                                       ErrorCode code);

/// The same if `device` is not of a form that the backends know.
MM_ORCH_EXPORT void check_device_name(const std::string& device, const std::string& what,
                                      ErrorCode code);

}  // namespace mm_orch::config
