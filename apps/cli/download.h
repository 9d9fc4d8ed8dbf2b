// Models from the Hugging Face hub, fetched by the `hf` command of huggingface_hub.
#pragma once

#include <filesystem>
#include <string>

namespace mm_orch::cli {

/// Path of `hf` on PATH; empty if there is none.
std::string find_hf_command();

/// Runs `hf download REPOSITORY`; its progress bars go to stderr.
/// @return  the snapshot folder.
/// @throws ModelNotFoundError  there is no `hf` (the command to run is named), or it failed.
std::filesystem::path download_with_hf(const std::string& repository);

}  // namespace mm_orch::cli
