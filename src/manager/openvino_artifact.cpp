#include "manager/openvino_artifact.h"

#include <fmt/format.h>

#include "exporter/exporter.h"
#include "exporter/fidelity_report.h"
#include "exporter/tuning_report.h"
#include "manager/artifact_path.h"
#include "mm_orch/log.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// A registered name is known to this process alone.
std::string export_command(const ModelReference& model) {
  if (model.location != model.name) return fmt::format("export_model(\"{}\")", model.name);
  return fmt::format("python scripts/export_to_openvino.py {}", model.name);
}

void make_artifact(const ModelReference& model, const weights::ModelSource& source,
                   const config::OpenVinoConfig& config, backend::Backend& openvino) {
  const auto folder = artifact_folder(model, config.cache_dir);
  log(LogLevel::kInfo, fmt::format("Exporting {} to {}", model.name, folder.string()));
  exporter::export_model(source, openvino,
                         {.folder = folder,
                          .stem = artifact_stem(model),
                          .precision = {},
                          .keep_compiled = config.keep_compiled});
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
std::shared_ptr<const weights::ModelSource> source_if_readable(const ModelReference& model) {
  try {
    return open_local_source(model);
  } catch (const BackendError& error) {
    log(LogLevel::kWarning,
        fmt::format("{}: only the exported model is used, since its source cannot be read: {}",
                    model.name, error.what()));
    return nullptr;
  }
}

[[noreturn]] void fail_missing(const ModelReference& model, const fs::path& file) {
  throw ModelNotFoundError(
      fmt::format("Model file not found: {}. Export the model with: {}", file.string(),
                  export_command(model)),
      ErrorContext{.model = model.name, .backend = "openvino", .path = file.string()});
}

[[noreturn]] void fail_mismatch(const ModelReference& model, const fs::path& file,
                                const std::string& fingerprint,
                                const weights::ModelSource& source) {
  throw FileValidationError(
      fmt::format("{} was exported from other weights (fingerprint {}) than {} holds now "
                  "(fingerprint {}). Export the model again with: {}",
                  file.string(), fingerprint, source.path().string(), source.fingerprint(),
                  export_command(model)),
      ErrorContext{.model = model.name, .backend = "openvino", .path = file.string()});
}

void refuse_failed(const ModelReference& model, const fs::path& file,
                   const backend::Artifact& artifact) {
  const auto report = exporter::read_fidelity(file, artifact.metadata());
  if (!report || report->status != FidelityStatus::kFailed) return;
  throw FidelityError(
      fmt::format("{} is not used, since its fidelity check {}. Export it in another precision, "
                  "or accept it with: {} --precision {} --force",
                  file.string(), fidelity_summary(*report), export_command(model),
                  report->precision),
      ErrorContext{.model = model.name, .backend = "openvino", .path = file.string()});
}

}  // namespace

OpenedArtifact open_openvino_artifact(const ModelReference& model,
                                      const config::OpenVinoConfig& config,
                                      backend::Backend& openvino) {
  auto file = artifact_file(model, config.cache_dir);
  if (!is_file(file)) exporter::recover_folder(file.parent_path());
  const bool was_tuned = is_file(exporter::tuning_file(file));
  std::shared_ptr<const weights::ModelSource> source;
  if (!is_file(file)) {
    if (!config.auto_export) fail_missing(model, file);
    source = open_source(model);
    make_artifact(model, *source, config, openvino);
    file = artifact_file(model, config.cache_dir);
  } else {
    source = source_if_readable(model);
  }
  auto artifact = openvino.open_artifact(file);
  auto fingerprint = fingerprint_of(*artifact);
  if (!is_of_source(fingerprint, source.get())) {
    if (!config.auto_export) fail_mismatch(model, file, fingerprint, *source);
    artifact.reset();
    make_artifact(model, *source, config, openvino);
    artifact = openvino.open_artifact(file);
    fingerprint = fingerprint_of(*artifact);
  }
  refuse_failed(model, file, *artifact);
  auto assets =
      source ? assets_of(model.name, source) : assets_beside(model.name, file.parent_path());
  return {std::move(file), std::move(artifact), std::move(fingerprint), was_tuned,
          std::move(assets)};
}

}  // namespace mm_orch::manager
