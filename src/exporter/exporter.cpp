#include "exporter/exporter.h"

#include <fmt/format.h>

#include <chrono>

#include "exporter/fidelity.h"
#include "exporter/fidelity_report.h"
#include "exporter/model_files.h"
#include "exporter/staging_folder.h"
#include "exporter/tuning_report.h"
#include "mm_orch/log.h"
#include "models/registry.h"

namespace mm_orch::exporter {
namespace {

FidelityReport examine(const FidelityRequest& check, const ExportRequest& request) {
  if (!request.check) return unchecked(check.source, check.precision, "not asked for");
  auto report = check_fidelity(check);
  if (report.status == FidelityStatus::kFailed && request.force)
    report.status = FidelityStatus::kAccepted;
  if (report.status != FidelityStatus::kPassed)
    log(LogLevel::kWarning,
        fmt::format("{}: fidelity check {}", request.stem, fidelity_summary(report)));
  return report;
}

}  // namespace

ExportResult export_model(const weights::ModelSource& source, backend::Backend& backend,
                          const ExportRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  const auto graph = models::build_graph(source);
  const backend::ExportOptions options{
      .precision = request.precision,
      .metadata = {{kFingerprintKey, source.fingerprint()}, {kVersionKey, MM_ORCH_VERSION}},
      .progress = request.progress};
  StagingFolder staging(request.folder);
  backend.export_artifact(graph, staging.path() / request.stem, options);
  write_model_files(source, staging.path());
  const auto stems = backend::artifact_stems(request.stem, graph.info.kind);
  const auto staged = staging.path() / (stems.back() + ".xml");
  ExportResult result;
  result.fidelity = examine({.source = source,
                             .graph = graph,
                             .backend = backend,
                             .xml = staged,
                             .precision = request.precision,
                             .progress = request.progress,
                             .keep_compiled = request.keep_compiled},
                            request);
  write_file(fidelity_file(staged), fidelity_json(result.fidelity));
  auto owned = model_file_names();
  for (const auto& file :
       {fidelity_file(staged), tuning_file(staged), backend::compiled_file(staged)})
    owned.insert(file.filename().string());
  for (const auto& stem : stems) owned.insert({stem + ".xml", stem + ".bin"});
  staging.publish(owned);

  result.xml_path = (request.folder / (stems.back() + ".xml")).string();
  result.bin_path = (request.folder / (stems.back() + ".bin")).string();
  for (const auto& stem : stems)
    result.bytes += std::filesystem::file_size(request.folder / (stem + ".bin"));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() -
                   result.fidelity.seconds;
  return result;
}

}  // namespace mm_orch::exporter
