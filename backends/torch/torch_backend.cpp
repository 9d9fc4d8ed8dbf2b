#include "torch_backend.h"

#include <c10/core/InferenceMode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <fstream>

#include "guard.h"
#include "kernels/int8.h"
#include "torch_model.h"

namespace mm_orch::torch_backend {
namespace {

std::string lowercase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "CPU";
}

void check_options(const backend::LoadOptions& options) {
  const auto device = lowercase(options.device);
  if (device != "auto" && device != "cpu") {
    auto context = error_context();
    context.device = options.device;
    throw DeviceError(
        fmt::format("Device '{}' not available for the PyTorch backend; available devices: cpu",
                    options.device),
        context);
  }
  if (options.num_threads < 0)
    throw ConfigurationError(
        fmt::format("num_threads is {}; it must be 0 (PyTorch's default) or more",
                    options.num_threads),
        error_context());
  if (!options.properties.empty())
    throw ConfigurationError(
        fmt::format("Unknown property '{}'; the PyTorch backend takes no properties",
                    options.properties.begin()->first),
        error_context());
}

Precision precision_of(const backend::LoadOptions& options) {
  const auto precision = lowercase(options.inference_precision);
  if (precision.empty() || precision == "f32") return Precision::kF32;
  if (precision == "bf16") return Precision::kBF16;
  if (precision == "int8" && kernels::has_vnni()) return Precision::kINT8;
  throw ConfigurationError(
      fmt::format(
          "Inference precision '{}' is not available in the PyTorch backend; allowed: {}",
          options.inference_precision,
          kernels::has_vnni() ? "f32, bf16, int8" : "f32, bf16 (int8 needs a CPU with VNNI)"),
      error_context());
}

}  // namespace

std::vector<backend::DeviceInfo> TorchBackend::devices() const {
  return {{"cpu", processor_name()}};
}

std::shared_ptr<backend::LoadedModel> TorchBackend::load(const graph::Graph& graph,
                                                         const backend::LoadOptions& options) {
  check_options(options);
  const auto precision = precision_of(options);
  return guarded<ModelLoadError>("load the model", [&] {
    const c10::InferenceMode inference_mode;
    return std::make_shared<TorchModel>(graph, precision, options);
  });
}

void TorchBackend::export_artifact(const graph::Graph&, const std::filesystem::path& stem,
                                   const backend::ExportOptions&) {
  auto context = error_context();
  context.path = stem.string();
  throw BackendError(
      "The PyTorch backend runs models as they are and exports none; use the "
      "OpenVINO backend to export",
      context);
}

std::unique_ptr<backend::Artifact> TorchBackend::open_artifact(const std::filesystem::path& path) {
  auto context = error_context();
  context.path = path.string();
  throw BackendError(
      fmt::format("The PyTorch backend opens no exported models ({}); use the OpenVINO backend",
                  path.string()),
      context);
}

}  // namespace mm_orch::torch_backend
