// How a model that is not on this machine is fetched. The library downloads nothing itself:
// the Python package sets huggingface_hub here, the shell its `hf` command.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "mm_orch/export.h"

namespace mm_orch::weights {

/// Called with a hub repository id ("gpt2", "openai-community/gpt2"), returns the snapshot folder.
/// @throws ModelNotFoundError  the hub lacks it or cannot be reached, with the reason.
using Downloader = std::function<std::filesystem::path(const std::string& repository)>;

/// Replaces the downloader; an empty function means none. Thread-safe.
MM_ORCH_EXPORT void set_downloader(Downloader downloader);

}  // namespace mm_orch::weights
