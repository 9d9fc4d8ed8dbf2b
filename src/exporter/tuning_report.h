// The report of a tuning as a file beside the exported model.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "mm_orch/tuning.h"

namespace mm_orch::exporter {

/// `<stem>.tuning.json` beside `<stem>.xml`.
MM_ORCH_EXPORT std::filesystem::path tuning_file(const std::filesystem::path& xml);

/// The machine that this process runs on.
MM_ORCH_EXPORT TuningMachine this_machine();
/// Of the model's files; another for other weights. A copy has the same.
MM_ORCH_EXPORT std::string tuned_model(const std::filesystem::path& xml);

/// None if there is no such file, or a damaged one, which the log says.
MM_ORCH_EXPORT std::optional<TuningReport> read_tuning(const std::filesystem::path& xml);

/// What the report was not made for: "machine", "openvino", "model", "mm_orch"; empty: it is true
/// of this process. @param backend_version  of the SDK in use.
MM_ORCH_EXPORT std::string stale_part(const TuningReport& report, const std::filesystem::path& xml,
                                      const std::string& backend_version);

/// The settings to load the model with; none where there is no report that is true, which the log
/// says in one line.
MM_ORCH_EXPORT BackendSettings tuned_settings(const std::filesystem::path& xml,
                                              const std::string& backend_version);

}  // namespace mm_orch::exporter
