// The report of a fidelity check as a file beside the exported model.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "mm_orch/fidelity.h"

namespace mm_orch::exporter {

/// `<stem>.fidelity.json` beside `<stem>.xml`.
MM_ORCH_EXPORT std::filesystem::path fidelity_file(const std::filesystem::path& xml);

/// @param metadata  of the exported model, as backend::Artifact gives it.
/// @return  none if the file is not there, or is of an earlier model under this name.
/// @throws FileValidationError  it cannot be read or is not such a report.
MM_ORCH_EXPORT std::optional<FidelityReport> read_fidelity(
    const std::filesystem::path& xml, const std::map<std::string, std::string>& metadata);

}  // namespace mm_orch::exporter
