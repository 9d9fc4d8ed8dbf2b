// Finding and loading backend plug-ins. A plug-in is a shared library
// `libmm_orch_<file>.so` with the one C entry below; it is never unloaded.
// Searched in MM_ORCH_PLUGIN_PATH (colon-separated folders), then beside libmm_orch.so.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace mm_orch::backend {

inline constexpr int kPluginApiVersion = 1;

// The entry of a plug-in: `extern "C" MM_ORCH_EXPORT mm_orch::backend::Backend*
// mm_orch_create_backend(int api_version)`. Returns null if it was built for another
// api_version. The backend lives as long as the process. Exceptions may pass: both
// sides use the same C++ runtime and the typed errors of mm_orch/errors.h.
using PluginEntry = Backend* (*)(int api_version);
inline constexpr const char* kPluginEntryName = "mm_orch_create_backend";

/// The backend "pytorch" or "openvino"; loaded at the first call, then kept. Thread-safe.
/// @throws BackendInitializationError  not installed, or its SDK is missing or of another version
///                                     than the plug-in was built for (both are named), with the
///                                     command that mends it. The message for a missing OpenVINO
///                                     starts with "OpenVINO backend not available".
MM_ORCH_EXPORT Backend& get_backend(const std::string& name);

/// Registers a backend made in the process (tests, embedding applications); replaces one of that
/// name.
MM_ORCH_EXPORT void register_backend(std::unique_ptr<Backend> backend);

struct PluginStatus {
  std::string name;  // "pytorch", "openvino"
  bool available = false;
  std::filesystem::path path;  // of the plug-in; empty if not found
  std::string sdk_version;
  std::string problem;  // why it is not available, and how to mend it
};
/// All known backends; loads them to see whether they work.
MM_ORCH_EXPORT std::vector<PluginStatus> plugin_status();

}  // namespace mm_orch::backend
