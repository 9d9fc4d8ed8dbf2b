#include "manager/model_tuning.h"

#include <fmt/format.h>

#include "exporter/tuning_report.h"
#include "mm_orch/log.h"

namespace mm_orch::manager {

std::optional<TuningReport> tune_if_possible(const exporter::TuningRequest& request) {
  if (request.info.kind == graph::ModelKind::kEncoder) return std::nullopt;
  try {
    return exporter::tune(request);
  } catch (const CancelledError&) {
    throw;
  } catch (const MuAIError& error) {
    log(LogLevel::kWarning, fmt::format("The exported model is not tuned: {}", error.what()));
    return std::nullopt;
  }
}

void renew_tuning(const exporter::TuningRequest& request) {
  std::string stale = "model";  // a new export has no report yet
  if (const auto report = exporter::read_tuning(request.xml))
    stale = exporter::stale_part(*report, request.xml, request.backend.sdk_version());
  if (stale.empty()) return;
  log(LogLevel::kInfo, fmt::format("Tuning {} again, since it was tuned for another {}",
                                   request.xml.string(), stale));
  tune_if_possible(request);
}

}  // namespace mm_orch::manager
