// What an export wrote about itself into an IR, read without OpenVINO: the runtime
// info stands at the end of the .xml.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "mm_orch/export.h"

namespace mm_orch::backend {

/// Artifact::metadata() of the file; empty for an IR of another tool or a damaged one.
MM_ORCH_EXPORT std::map<std::string, std::string> read_ir_metadata(
    const std::filesystem::path& xml_path);

}  // namespace mm_orch::backend
