// Exporting a model: the plug-in writes the model itself, this writes what surrounds
// it, so that the folder alone can serve the model, checks the model against its source
// (fidelity.h), and puts the folder in its place in one step. Whatever interrupts an export, the
// old state is there afterwards, or the new one whole.
//
// Everything is written into a sibling `.NAME.tmp-XXXXXX`, synchronised to disk and then
// exchanged with the folder (renameat2). Files in the old folder that are not of an
// export are carried over as hard links before. Where the file system cannot exchange,
// the old folder is renamed to `.NAME.old-XXXXXX` first; `recover_folder` undoes that.
#pragma once

#include <filesystem>
#include <string>

#include "backend/backend.h"
#include "mm_orch/model_manager.h"
#include "weights/model_source.h"

namespace mm_orch::exporter {

/// Key in the artifact's metadata: ModelSource::fingerprint of what it was made from.
inline constexpr const char* kFingerprintKey = "source_fingerprint";
inline constexpr const char* kVersionKey = "mm_orch_version";

struct ExportRequest {
  std::filesystem::path folder;
  std::string stem;  // of the .xml and .bin
  backend::Precision precision = backend::Precision::kFP32;
  backend::Progress progress = {};  // of the weights, then of the check
  bool check = true;
  bool force = false;          // a model that fails the check is used all the same
  bool keep_compiled = false;  // what the check compiles, for the first load
};

/// A model that fails its check is kept, but the report beside it says so and it will not be
/// loaded.
/// @throws UnsupportedModelError, FileValidationError  see models::build_graph.
/// @throws InvalidInputError  the folder is one that cannot be replaced: the current folder, one
///                            above it, a file.
/// @throws BackendError       naming the path and the system's reason (disk full, not writable);
///                            nothing is left behind.
MM_ORCH_EXPORT ExportResult export_model(const weights::ModelSource& source,
                                         backend::Backend& backend, const ExportRequest& request);

/// Brings back a folder that an interrupted exchange has left under its `.old-` name.
MM_ORCH_EXPORT void recover_folder(const std::filesystem::path& folder);

}  // namespace mm_orch::exporter
