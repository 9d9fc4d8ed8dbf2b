#include "manager/backend_choice.h"

namespace mm_orch::manager {

bool Placement::operator==(const Placement& other) const {
  if (backend != other.backend || device != other.device || model.location != other.model.location)
    return false;
  if (config == other.config) return true;
  if (!config || !other.config || config->pytorch != other.config->pytorch ||
      config->scheduler != other.config->scheduler)
    return false;
  return backend == kPyTorch || config->openvino == other.config->openvino;
}

std::string choose_backend(const std::string& model,
                           const std::optional<std::string>& backend_override,
                           const config::Config& config,
                           const std::optional<std::string>& constructor_backend) {
  if (backend_override) return *backend_override;
  if (const auto entry = config.model_overrides.find(model); entry != config.model_overrides.end())
    return entry->second;
  if (constructor_backend) return *constructor_backend;
  return config.default_backend.value_or(kPyTorch);
}

std::string choose_device(const std::string& backend, const std::optional<std::string>& asked,
                          const config::Config& config, const std::string& default_device) {
  if (asked) return *asked;
  const auto& configured = backend == kOpenVino ? config.openvino.device : config.pytorch.device;
  return configured.value_or(default_device);
}

backend::LoadOptions load_options(const Placement& placement) {
  const auto& config = *placement.config;
  backend::LoadOptions options;
  options.device = placement.device;
  options.kv_cache_bytes = static_cast<uint64_t>(config.scheduler.kv_cache_mb) << 20;
  if (placement.backend == kOpenVino) {
    options.num_threads = config.openvino.num_threads;
    options.num_streams = config.openvino.num_streams;
    options.inference_precision = config.openvino.inference_precision;
    options.properties = config.openvino.properties;
  } else {
    options.num_threads = config.pytorch.num_threads;
    options.inference_precision = config.pytorch.inference_precision;
  }
  return options;
}

}  // namespace mm_orch::manager
