// The backend "pytorch": libtorch on the CPU.
#pragma once

#include "backend/backend.h"

namespace mm_orch::torch_backend {

class TorchBackend : public backend::Backend {
 public:
  std::string name() const override { return "pytorch"; }
  /// Of the torch that the plug-in was built for.
  std::string sdk_version() const override { return MM_ORCH_TORCH_VERSION; }
  std::vector<backend::DeviceInfo> devices() const override;

  std::shared_ptr<backend::LoadedModel> load(const graph::Graph& graph,
                                             const backend::LoadOptions& options) override;

  bool uses_artifacts() const override { return false; }
  void export_artifact(const graph::Graph& graph, const std::filesystem::path& stem,
                       const backend::ExportOptions& options) override;
  std::unique_ptr<backend::Artifact> open_artifact(const std::filesystem::path& path) override;
};

}  // namespace mm_orch::torch_backend
