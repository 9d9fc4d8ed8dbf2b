#include "manager/artifact_path.h"

#include <array>
#include <optional>

#include "weights/model_locator.h"

namespace mm_orch::manager {

std::array<std::string, 4> artifact_names(const std::string& stem) {
  return {stem + ".xml", stem + "_decoder.xml", "openvino_model.xml", "openvino_decoder_model.xml"};
}

namespace {

namespace fs = std::filesystem;

std::optional<fs::path> existing_in(const fs::path& folder, const std::string& stem) {
  for (const auto& name : artifact_names(stem)) {
    const auto candidate = folder / name;
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  return std::nullopt;
}

}  // namespace

std::string artifact_stem(const ModelReference& model) {
  return fs::path(model.export_name).filename().string();
}

fs::path artifact_folder(const ModelReference& model, const std::string& cache_dir) {
  return fs::path(cache_dir) / model.export_name;
}

fs::path artifact_file(const ModelReference& model, const std::string& cache_dir) {
  const auto& location = model.location;
  std::error_code ignored;
  if (location.ends_with(".xml") && fs::is_regular_file(location, ignored)) return location;
  if (weights::is_path(location))
    if (const auto given = existing_in(location, weights::export_name(location))) return *given;
  const auto folder = artifact_folder(model, cache_dir);
  const auto stem = artifact_stem(model);
  return existing_in(folder, stem).value_or(folder / (stem + ".xml"));
}

}  // namespace mm_orch::manager
