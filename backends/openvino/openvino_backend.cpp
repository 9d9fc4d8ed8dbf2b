#include "openvino_backend.h"

#include <fmt/format.h>

#include <openvino/core/version.hpp>
#include <openvino/runtime/properties.hpp>

#include "compile_options.h"
#include "devices.h"
#include "ir_file.h"
#include "loaded_model.h"
#include "lowering/lower.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {
namespace {

constexpr std::string_view kBuiltFor = MM_ORCH_OPENVINO_VERSION;

class IrArtifact : public backend::Artifact {
 public:
  explicit IrArtifact(std::filesystem::path path)
      : path_(std::move(path)), model_(read_ir(path_)), metadata_(read_metadata(*model_)) {}

  std::map<std::string, std::string> metadata() const override { return metadata_; }

  std::shared_ptr<backend::LoadedModel> compile(const graph::ModelInfo& info,
                                                const backend::LoadOptions& options) override {
    const auto precision = metadata_.find("precision");
    return OpenVinoModel::compile(
        {.model = model_->clone(),
         .info = info,
         .precision = precision == metadata_.end() ? weight_precision(*model_) : precision->second,
         .path = path_.string()},
        options);
  }

 private:
  std::filesystem::path path_;
  std::shared_ptr<ov::Model> model_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace

// "2026.4.1-22982-e213a147257-releases/2026/4" → "2026.4.1"
static std::string found_version() {
  const std::string build = ov::get_openvino_version().buildNumber;
  return build.substr(0, build.find('-'));
}

OpenVinoBackend::OpenVinoBackend() {
  const std::string found = found_version();
  if (found != kBuiltFor)
    throw BackendInitializationError(
        fmt::format("OpenVINO backend not available: its plug-in was built for openvino {}, but "
                    "{} is loaded. Mend it with: pip install openvino=={}",
                    kBuiltFor, found, kBuiltFor),
        {.backend = kBackendName});
}

std::string OpenVinoBackend::name() const { return kBackendName; }

std::string OpenVinoBackend::sdk_version() const { return found_version(); }

std::vector<backend::DeviceInfo> OpenVinoBackend::devices() const {
  std::vector<backend::DeviceInfo> result;
  for (const auto& id : core().get_available_devices())
    result.push_back({id, core().get_property(id, ov::device::full_name)});
  return result;
}

std::shared_ptr<backend::LoadedModel> OpenVinoBackend::load(const graph::Graph& graph,
                                                            const backend::LoadOptions& options) {
  resolve_device(options.device);  // before the long work
  return OpenVinoModel::compile({.model = lower(graph, backend::Precision::kFP32),
                                 .info = graph.info,
                                 .precision = "FP32",
                                 .path = {}},
                                options);
}

void OpenVinoBackend::export_artifact(const graph::Graph& graph, const std::filesystem::path& stem,
                                      const backend::ExportOptions& options) {
  const auto model = lower(graph, options.precision, options.progress);
  auto metadata = options.metadata;
  metadata["precision"] = backend::precision_name(options.precision);
  write_metadata(*model, metadata);
  for (const auto& [name, value] : tuned_options(options.precision))
    model->set_rt_info(value, std::vector<std::string>{"runtime_options", name});
  write_ir(model, stem);
}

std::unique_ptr<backend::Artifact> OpenVinoBackend::open_artifact(
    const std::filesystem::path& path) {
  return std::make_unique<IrArtifact>(path);
}

}  // namespace mm_orch::openvino
