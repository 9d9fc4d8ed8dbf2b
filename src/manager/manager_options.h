// The options of a manager, checked, and the configuration they name.
#pragma once

#include "config/config.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

/// The options themselves.
/// @throws ConfigurationError  one is outside what is allowed.
const ModelManagerOptions& checked(const ModelManagerOptions& options);

/// @throws ConfigurationError  see config::parse_config.
config::Config read_config(const ModelManagerOptions& options);

}  // namespace mm_orch::manager
