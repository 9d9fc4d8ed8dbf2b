#include "manager/manager_options.h"

#include <fmt/format.h>

namespace mm_orch::manager {

const ModelManagerOptions& checked(const ModelManagerOptions& options) {
  if (options.backend)
    config::check_backend_name(*options.backend, "backend", ErrorCode::kConfiguration);
  config::check_device_name(options.default_device, "default_device", ErrorCode::kConfiguration);
  if (options.max_cached_models < 1)
    throw ConfigurationError(fmt::format("max_cached_models: found {}, 1 or more is allowed",
                                         options.max_cached_models));
  if (options.max_cached_bytes && *options.max_cached_bytes < 1)
    throw ConfigurationError(
        fmt::format("max_cached_bytes: found {}, 1 or more is allowed", *options.max_cached_bytes));
  if (!(options.residency_s > 0))
    throw ConfigurationError(
        fmt::format("residency_seconds: found {}, more than 0 is allowed", options.residency_s));
  return options;
}

config::Config read_config(const ModelManagerOptions& options) {
  if (options.config_path && options.config_text)
    throw ConfigurationError("config_path and config_text are both given; one is allowed");
  if (options.config_path) return config::load_config_file(*options.config_path);
  if (options.config_text) return config::parse_config(*options.config_text, "backend_config");
  return {};
}

}  // namespace mm_orch::manager
