// IR on disk: `<stem>.xml`, the graph, and `<stem>.bin`, the weights.
#pragma once

#include <filesystem>
#include <map>
#include <openvino/core/model.hpp>
#include <string>

#include "scratch_file.h"

namespace mm_orch::openvino {

/// @param drained  where the constants are: each is discarded once it is written; may be null.
/// @throws BackendError  naming the path and the system's reason (disk full, not writable).
void write_ir(const std::shared_ptr<ov::Model>& model, const std::filesystem::path& stem,
              ScratchFile* drained);

/// @throws ModelNotFoundError   the file is not there.
/// @throws FileValidationError  damaged or truncated; the .bin is checked before it is mapped.
std::shared_ptr<ov::Model> read_ir(const std::filesystem::path& xml);

/// The precision of most of the weights: "FP32", "FP16", "INT8", "INT4".
std::string weight_precision(const ov::Model& model);

/// Text kept inside the model under "mm_orch"; empty for a model of another tool.
std::map<std::string, std::string> read_metadata(const ov::Model& model);
void write_metadata(ov::Model& model, const std::map<std::string, std::string>& metadata);

}  // namespace mm_orch::openvino
