// Which backend serves a model, and with which device. Precedence, the first that is
// set wins: `backend_override` of the call, the model's entry in `model_overrides`, the
// constructor's backend, the configuration's `default`, PyTorch.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "config/config.h"
#include "manager/model_names.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::manager {

inline constexpr const char* kPyTorch = "pytorch";
inline constexpr const char* kOpenVino = "openvino";

/// A load, everything settled.
struct Placement {
  std::string backend;
  std::string device;                                 // "auto": the backend's default
  ModelReference model = {};                          // what is loaded
  std::shared_ptr<const config::Config> config = {};  // as it is now; it may be reloaded later

  /// True if the same would be loaded: the settings of the backends count, not the whole
  /// configuration.
  bool operator==(const Placement& other) const;
};

MM_ORCH_EXPORT std::string choose_backend(const std::string& model,
                                          const std::optional<std::string>& backend_override,
                                          const config::Config& config,
                                          const std::optional<std::string>& constructor_backend);

/// The call's device, else the backend's section in the configuration, else `default_device`.
MM_ORCH_EXPORT std::string choose_device(const std::string& backend,
                                         const std::optional<std::string>& asked,
                                         const config::Config& config,
                                         const std::string& default_device);

MM_ORCH_EXPORT backend::LoadOptions load_options(const Placement& placement);

}  // namespace mm_orch::manager
