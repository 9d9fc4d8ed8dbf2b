#include "exporter/exporter.h"

#include <chrono>

#include "exporter/model_files.h"
#include "exporter/staging_folder.h"
#include "models/registry.h"

namespace mm_orch::exporter {

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
  auto owned = model_file_names();
  const auto stems = backend::artifact_stems(request.stem, graph.info.kind);
  for (const auto& stem : stems) owned.insert({stem + ".xml", stem + ".bin"});
  staging.publish(owned);

  ExportResult result;
  result.xml_path = (request.folder / (stems.back() + ".xml")).string();
  result.bin_path = (request.folder / (stems.back() + ".bin")).string();
  for (const auto& stem : stems)
    result.bytes += std::filesystem::file_size(request.folder / (stem + ".bin"));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace mm_orch::exporter
