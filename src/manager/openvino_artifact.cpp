#include "manager/openvino_artifact.h"

#include <fmt/format.h>

#include "exporter/exporter.h"
#include "manager/artifact_path.h"
#include "mm_orch/log.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string export_command(const std::string& name) {
  return fmt::format("python scripts/export_to_openvino.py {}", name);
}

void make_artifact(const std::string& name, const weights::ModelSource& source,
                   const config::OpenVinoConfig& config, backend::Backend& openvino) {
  const auto folder = artifact_folder(name, config.cache_dir);
  log(LogLevel::kInfo, fmt::format("Exporting {} to {}", name, folder.string()));
  exporter::export_model(source, openvino,
                         {.folder = folder, .stem = artifact_stem(name), .precision = {}});
}

// Empty for an artifact of another tool; then its word is taken.
std::string fingerprint_of(const backend::Artifact& artifact) {
  const auto metadata = artifact.metadata();
  const auto entry = metadata.find(exporter::kFingerprintKey);
  return entry == metadata.end() ? std::string() : entry->second;
}

bool is_of_source(const std::string& fingerprint, const weights::ModelSource* source) {
  return fingerprint.empty() || !source || fingerprint == source->fingerprint();
}

// The exported model can serve alone, so damage of the source is a warning here.
std::shared_ptr<const weights::ModelSource> source_if_readable(const std::string& name) {
  try {
    return open_local_source(name);
  } catch (const BackendError& error) {
    log(LogLevel::kWarning,
        fmt::format("{}: only the exported model is used, since its source cannot be read: {}",
                    name, error.what()));
    return nullptr;
  }
}

[[noreturn]] void fail_missing(const std::string& name, const fs::path& file) {
  throw ModelNotFoundError(
      fmt::format("Model file not found: {}. Export the model with: {}", file.string(),
                  export_command(name)),
      ErrorContext{.model = name, .backend = "openvino", .path = file.string()});
}

[[noreturn]] void fail_mismatch(const std::string& name, const fs::path& file,
                                const std::string& fingerprint,
                                const weights::ModelSource& source) {
  throw FileValidationError(
      fmt::format("{} was exported from other weights (fingerprint {}) than {} holds now "
                  "(fingerprint {}). Export the model again with: {}",
                  file.string(), fingerprint, source.path().string(), source.fingerprint(),
                  export_command(name)),
      ErrorContext{.model = name, .backend = "openvino", .path = file.string()});
}

}  // namespace

OpenedArtifact open_openvino_artifact(const std::string& name, const config::OpenVinoConfig& config,
                                      backend::Backend& openvino) {
  auto file = artifact_file(name, config.cache_dir);
  if (!is_file(file)) exporter::recover_folder(file.parent_path());
  std::shared_ptr<const weights::ModelSource> source;
  if (!is_file(file)) {
    if (!config.auto_export) fail_missing(name, file);
    source = open_source(name);
    make_artifact(name, *source, config, openvino);
    file = artifact_file(name, config.cache_dir);
  } else {
    source = source_if_readable(name);
  }
  auto artifact = openvino.open_artifact(file);
  auto fingerprint = fingerprint_of(*artifact);
  if (!is_of_source(fingerprint, source.get())) {
    if (!config.auto_export) fail_mismatch(name, file, fingerprint, *source);
    artifact.reset();
    make_artifact(name, *source, config, openvino);
    artifact = openvino.open_artifact(file);
    fingerprint = fingerprint_of(*artifact);
  }
  auto assets = source ? assets_of(name, source) : assets_beside(name, file.parent_path());
  return {std::move(file), std::move(artifact), std::move(fingerprint), std::move(assets)};
}

}  // namespace mm_orch::manager
