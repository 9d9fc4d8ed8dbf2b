// OpenVINO as a backend: lowers graphs, writes and reads IR, compiles, runs.
#pragma once

#include "backend/backend.h"

namespace mm_orch::openvino {

class OpenVinoBackend : public backend::Backend {
 public:
  /// @throws BackendInitializationError  the OpenVINO found is not the one this was built for.
  OpenVinoBackend();

  std::string name() const override;
  std::string sdk_version() const override;
  std::vector<backend::DeviceInfo> devices() const override;
  std::shared_ptr<backend::LoadedModel> load(const graph::Graph& graph,
                                             const backend::LoadOptions& options) override;
  bool uses_artifacts() const override { return true; }
  void export_artifact(const graph::Graph& graph, const std::filesystem::path& stem,
                       const backend::ExportOptions& options) override;
  std::unique_ptr<backend::Artifact> open_artifact(const std::filesystem::path& path) override;
};

}  // namespace mm_orch::openvino
