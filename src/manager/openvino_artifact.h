// The exported form of a model: found, made on request, and known to be of the same
// weights as the source.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "backend/backend.h"
#include "config/config.h"
#include "manager/model_assets.h"

namespace mm_orch::manager {

struct OpenedArtifact {
  std::filesystem::path file;
  std::unique_ptr<backend::Artifact> artifact;
  std::string fingerprint;  // of the source it was exported from; empty if it does not say
  bool was_tuned = false;   // a report of a tuning lay beside it, true or not
  ModelAssets assets;
};

/// Opens the exported model of `model`; with `auto_export` makes it (again) where it is missing or
/// was made of another source.
/// @throws ModelNotFoundError   not exported: "Model file not found: ..." with the command to run.
/// @throws FileValidationError  damaged, or made of another source than the one found now.
/// @throws FidelityError        its check failed, and it was not exported with force.
/// @throws BackendError         the export failed.
OpenedArtifact open_openvino_artifact(const ModelReference& model,
                                      const config::OpenVinoConfig& config,
                                      backend::Backend& openvino);

}  // namespace mm_orch::manager
