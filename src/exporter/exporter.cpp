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
  owned.insert({request.stem + ".xml", request.stem + ".bin"});
  staging.publish(owned);

  const auto file = [&](const char* extension) {
    return request.folder / (request.stem + extension);
  };
  ExportResult result;
  result.xml_path = file(".xml").string();
  result.bin_path = file(".bin").string();
  result.bytes = std::filesystem::file_size(file(".bin"));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace mm_orch::exporter
