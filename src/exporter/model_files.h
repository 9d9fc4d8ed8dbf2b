// The small files of a model beside its weights: configuration, tokenizer, templates.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "weights/model_source.h"

namespace mm_orch::exporter {

/// The names that write_model_files may write.
const std::set<std::string>& model_file_names();

/// Writes them into `folder`: the source's own files as they are, else (GGUF) ones made from what
/// it holds, so that the folder reads like one of Hugging Face's.
/// @throws BackendError  naming the path and the system's reason.
void write_model_files(const weights::ModelSource& source, const std::filesystem::path& folder);

/// @throws BackendError  naming the path and the system's reason.
void write_file(const std::filesystem::path& path, std::string_view content);

}  // namespace mm_orch::exporter
