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

/// Whether both files are whole, without reading the graph.
/// @throws ModelNotFoundError   the file is not there.
/// @throws FileValidationError  damaged or truncated.
void check_ir(const std::filesystem::path& xml);

/// Of files that were checked, since they are mapped.
/// @throws FileValidationError  the graph is damaged.
std::shared_ptr<ov::Model> read_ir(const std::filesystem::path& xml);

/// Where the encoder of a decoder lies: "t5-small_decoder.xml" → "t5-small_encoder.xml"; empty
/// where the file is no decoder's.
std::filesystem::path encoder_beside(const std::filesystem::path& xml);

/// The precision of most of the weights: "FP32", "FP16", "INT8", "INT4".
std::string weight_precision(const ov::Model& model);

/// Keeps text inside the model under "mm_orch"; backend/ir_metadata.h reads it.
void write_metadata(ov::Model& model, const std::map<std::string, std::string>& metadata);

}  // namespace mm_orch::openvino
