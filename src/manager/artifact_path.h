// Where the exported form of a model lies.
#pragma once

#include <array>
#include <filesystem>
#include <string>

#include "manager/model_names.h"
#include "mm_orch/export.h"

namespace mm_orch::manager {

/// `<cache_dir>/<name>`; for a model given by path, under its folder's name.
MM_ORCH_EXPORT std::filesystem::path artifact_folder(const ModelReference& model,
                                                     const std::string& cache_dir);

/// The names an .xml to load may have in a folder, ours before optimum's; of an encoder-decoder
/// model the decoder's.
std::array<std::string, 4> artifact_names(const std::string& stem);

/// The file's stem in that folder: "gpt2", of "openai-community/gpt2" too.
MM_ORCH_EXPORT std::string artifact_stem(const ModelReference& model);

/// The .xml to load (of an encoder-decoder model the decoder's): of a folder or file given by path
/// (ours, or optimum's openvino_model.xml), else in the artifact folder. The file need not be
/// there.
MM_ORCH_EXPORT std::filesystem::path artifact_file(const ModelReference& model,
                                                   const std::string& cache_dir);

}  // namespace mm_orch::manager
