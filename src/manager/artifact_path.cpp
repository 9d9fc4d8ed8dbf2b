#include "manager/artifact_path.h"

#include <optional>

#include "weights/model_locator.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOptimumFile = "openvino_model.xml";

std::optional<fs::path> existing_in(const fs::path& folder, const std::string& stem) {
  for (const auto& candidate : {folder / (stem + ".xml"), folder / kOptimumFile}) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) return candidate;
  }
  return std::nullopt;
}

}  // namespace

std::string artifact_stem(const std::string& name) {
  return fs::path(weights::export_name(name)).filename().string();
}

fs::path artifact_folder(const std::string& name, const std::string& cache_dir) {
  if (!weights::is_path(name)) weights::check_name(name);
  return fs::path(cache_dir) / weights::export_name(name);
}

fs::path artifact_file(const std::string& name, const std::string& cache_dir) {
  const auto folder = artifact_folder(name, cache_dir);
  const auto stem = artifact_stem(name);
  std::error_code ignored;
  if (name.ends_with(".xml") && fs::is_regular_file(name, ignored)) return name;
  if (weights::is_path(name))
    if (const auto given = existing_in(name, stem)) return *given;
  return existing_in(folder, stem).value_or(folder / (stem + ".xml"));
}

}  // namespace mm_orch::manager
