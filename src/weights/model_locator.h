// From the string a user gives to the folder or file it means.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "mm_orch/downloader.h"
#include "mm_orch/export.h"

namespace mm_orch::weights {

/// True if `name` is a path: an existing folder with config.json or a .gguf file, an existing
/// .gguf file, or anything that starts with "/", "./", "../" or "~".
MM_ORCH_EXPORT bool is_path(const std::string& name);

/// @throws InvalidInputError  `name` is neither a path nor of the form [\w.-]+(/[\w.-]+)?
///                            (no "..", so that a name never leaves the model folders).
MM_ORCH_EXPORT void check_name(const std::string& name);

/// The name under which a model's exported files lie: the name itself, or for a path its folder's
/// name (or file's stem).
MM_ORCH_EXPORT std::string export_name(const std::string& name);

/// The folder of the Hugging Face cache, by the environment as huggingface_hub reads it.
MM_ORCH_EXPORT std::filesystem::path hub_cache();

/// True if a model's files lie in the folder: config.json, or a .gguf file.
MM_ORCH_EXPORT bool is_model_folder(const std::filesystem::path& folder);

/// The path with a leading "~" replaced.
/// @throws ModelNotFoundError  nothing is there.
MM_ORCH_EXPORT std::filesystem::path locate_path(const std::string& path);

/// Finds a model: path, then `models/<name>`, then the Hugging Face cache (HF_HUB_CACHE, HF_HOME,
/// ~/.cache/huggingface; snapshot layout; "gpt2" also as "openai-community/gpt2" and back), then a
/// download unless HF_HUB_OFFLINE is set.
/// @throws ModelNotFoundError  naming each place that was looked at.
MM_ORCH_EXPORT std::filesystem::path locate_model(const std::string& name);

/// The same without the download; none if the model's weights are not on this machine (a path to
/// an exported model alone has none).
MM_ORCH_EXPORT std::optional<std::filesystem::path> find_local_model(const std::string& name);

}  // namespace mm_orch::weights
