#include "openvino_backend.h"

#include <fmt/format.h>

#include <mutex>
#include <openvino/core/version.hpp>
#include <openvino/runtime/properties.hpp>
#include <optional>

#include "backend/ir_metadata.h"
#include "compile_cache.h"
#include "compile_options.h"
#include "devices.h"
#include "ir_file.h"
#include "loaded_model.h"
#include "lowering/lower.h"
#include "mm_orch/log.h"
#include "openvino_errors.h"
#include "tuning_axes.h"

namespace mm_orch::openvino {
namespace {

constexpr std::string_view kBuiltFor = MM_ORCH_OPENVINO_VERSION;

namespace fs = std::filesystem;

class IrArtifact : public backend::Artifact {
 public:
  explicit IrArtifact(fs::path path)
      : path_(std::move(path)), encoder_path_(encoder_beside(path_)) {
    std::error_code ignored;
    has_encoder_ = fs::is_regular_file(encoder_path_, ignored);
    check_ir(path_);
    if (has_encoder_) check_ir(encoder_path_);
    metadata_ = backend::read_ir_metadata(path_);
  }

  std::map<std::string, std::string> metadata() const override { return metadata_; }

  std::shared_ptr<backend::LoadedModel> compile(const graph::ModelInfo& info,
                                                const backend::LoadOptions& options) override {
    const auto device = resolve_device(options.device);
    std::optional<CompileCache> cache;
    if (options.keep_compiled && device == "CPU" && info.kind != graph::ModelKind::kEncoder) {
      cache.emplace(path_, device, options);
      if (auto kept = load_compiled(*cache, info, device, path_.string(), options)) return kept;
    }
    try {
      return openvino::compile(request(info), options, cache ? &*cache : nullptr);
    } catch (const ModelLoadError& error) {
      if (options.tuned.empty()) throw;
      log(LogLevel::kWarning,
          fmt::format("{}; trying again without what tuning found", error.what()));
    }
    auto untuned = options;
    untuned.tuned.clear();
    return compile(info, untuned);
  }

  std::vector<backend::TuningAxis> tuning_axes(const graph::ModelInfo& info) override {
    const auto parts = request(info);
    const auto& model = parts.decoder ? *parts.decoder : *parts.encoder;
    return openvino::tuning_axes(parts.precision,
                                 compile_properties(model, parts.precision, "CPU", {}));
  }

 private:
  const ov::Model& model() {
    const std::lock_guard lock(mutex_);
    if (!model_) model_ = read_ir(path_);
    return *model_;
  }

  std::string precision() {
    const auto entry = metadata_.find("precision");
    return entry == metadata_.end() ? weight_precision(model()) : entry->second;
  }

  CompileRequest request(const graph::ModelInfo& info) {
    CompileRequest request{.encoder = nullptr,
                           .decoder = nullptr,
                           .info = info,
                           .precision = precision(),
                           .path = path_.string()};
    switch (info.kind) {
      case graph::ModelKind::kEncoder:
        request.encoder = model().clone();
        break;
      case graph::ModelKind::kEncoderDecoder:
        if (!has_encoder_)
          throw FileValidationError(
              fmt::format("{} has no encoder beside it ({} is missing); export the model again",
                          path_.string(), encoder_path_.filename().string()),
              {.backend = kBackendName, .path = path_.string()});
        request.encoder = read_ir(encoder_path_);
        [[fallthrough]];
      case graph::ModelKind::kDecoder:
        request.decoder = model().clone();
    }
    return request;
  }

  fs::path path_;
  fs::path encoder_path_;  // of an encoder-decoder model
  bool has_encoder_ = false;
  std::map<std::string, std::string> metadata_;
  std::mutex mutex_;
  std::shared_ptr<ov::Model> model_;  // read when it is needed
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
  auto lowered = lower(graph, backend::Precision::kFP32);
  return openvino::compile({.encoder = std::move(lowered.encoder),
                            .decoder = std::move(lowered.decoder),
                            .info = graph.info,
                            .precision = "FP32",
                            .path = {}},
                           options);
}

void OpenVinoBackend::export_artifact(const graph::Graph& graph, const std::filesystem::path& stem,
                                      const backend::ExportOptions& options) {
  const auto scratch = std::make_shared<ScratchFile>(stem.parent_path());
  const auto lowered = lower(graph, options.precision, options.progress, scratch);
  auto metadata = options.metadata;
  metadata["precision"] = backend::precision_name(options.precision);
  const auto write = [&](const std::shared_ptr<ov::Model>& model, const fs::path& file,
                         ScratchFile* drained) {
    write_metadata(*model, metadata);
    for (const auto& [name, value] : tuned_options(options.precision))
      model->set_rt_info(value, std::vector<std::string>{"runtime_options", name});
    write_ir(model, file, drained);
  };
  const auto stems = backend::artifact_stems(stem.string(), graph.info.kind);
  // The decoder shares constants with the encoder.
  if (lowered.encoder)
    write(lowered.encoder, stems.front(), lowered.decoder ? nullptr : scratch.get());
  if (lowered.decoder) write(lowered.decoder, stems.back(), scratch.get());
}

std::unique_ptr<backend::Artifact> OpenVinoBackend::open_artifact(
    const std::filesystem::path& path) {
  return std::make_unique<IrArtifact>(path);
}

}  // namespace mm_orch::openvino
