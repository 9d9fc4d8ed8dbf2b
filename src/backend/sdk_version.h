// The versions of a backend's SDK: the one its plug-in was built for, and the one
// that lies where the plug-in would load it from. Compared before the plug-in is
// loaded: libtorch's library carries no version in its name, so the dynamic linker
// would take any.
#pragma once

#include <filesystem>
#include <string>

#include "mm_orch/export.h"

namespace mm_orch::backend {

/// @param wheel  "torch" or "openvino". @return "2026.4.1"; empty for another name.
MM_ORCH_EXPORT std::string built_sdk_version(const std::string& wheel);

struct FoundSdk {
  std::filesystem::path folder;  // the wheel's folder; empty if there is none
  std::string version;           // empty if it cannot be told
};
/// Looks for the wheel's folder along the plug-in's run path.
MM_ORCH_EXPORT FoundSdk find_sdk(const std::string& wheel, const std::filesystem::path& plugin);

/// True if a plug-in built for `built` may run with `found`: the same major and minor number.
MM_ORCH_EXPORT bool same_release(const std::string& built, const std::string& found);

}  // namespace mm_orch::backend
