#include "manager/model_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <new>

#include "backend/plugin.h"
#include "base/finite.h"
#include "exporter/tuning_report.h"
#include "generation/scheduled_model.h"
#include "manager/memory_guard.h"
#include "manager/model_tuning.h"
#include "manager/openvino_artifact.h"
#include "models/registry.h"

namespace mm_orch::manager {
namespace {

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

// Two steps, so that the first call of the user finds both prefill and decode ready.
void warm_up(backend::LoadedModel& model, const HostedModel& hosted) {
  const auto check = [&](std::span<const float> values) {
    if (!all_finite(values))
      throw NumericFaultError(
          "The warm-up gave NaN or Inf",
          ErrorContext{
              .model = hosted.assets.name, .backend = hosted.backend, .device = model.device()});
  };
  const int64_t token = 0;
  const std::span text(&token, 1);
  const auto& info = hosted.assets.info;
  if (info.kind == graph::ModelKind::kEncoder) return check(model.encode({{text}, {}}).hidden);
  backend::SessionOptions options{.batch = 1, .padding = {}, .capacity = 2, .sources = {}};
  if (info.kind == graph::ModelKind::kEncoderDecoder) options.sources = {text};
  const auto session = model.new_session(options);
  const int steps = info.context_length == 1 ? 1 : 2;
  for (int i = 0; i < steps; ++i) check(session->step(text, backend::LogitsOf::kLastToken));
}

// What is thrown inside a backend without one of our types gets one here.
template <class Work>
auto typed(const std::string& what, Work&& work) {
  try {
    return work();
  } catch (const MuAIError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw OutOfMemoryError(what + ": the memory is not there");
  } catch (const std::exception& error) {
    throw ModelLoadError(what + ": " + error.what());
  }
}

// With what lies beside the exported model: what tuning found on this CPU.
backend::LoadOptions artifact_options(const Placement& placement,
                                      const std::filesystem::path& xml) {
  auto options = load_options(placement);
  options.tuned = exporter::tuned_settings(xml, backend::get_backend(kOpenVino).sdk_version());
  options.keep_compiled = placement.config->openvino.keep_compiled;
  return options;
}

// What is tuned is the CPU.
bool is_tuned_for(const std::string& device) {
  const auto name = upper(device);
  return name == "CPU" || name == "AUTO";
}

// Of the same model, under the same configuration.
Placement on_pytorch(const Placement& asked) {
  if (asked.backend == kPyTorch) return asked;
  return {kPyTorch, asked.config->pytorch.device.value_or("auto"), asked.model, asked.config};
}

std::shared_ptr<backend::LoadedModel> scheduled(std::shared_ptr<backend::LoadedModel> model,
                                                const Placement& placement) {
  return generation::ScheduledModel::schedule(std::move(model), placement.config->scheduler);
}

}  // namespace

std::shared_ptr<backend::LoadedModel> ModelLoader::load_on_pytorch(
    const weights::ModelSource& source, const Placement& placement) {
  const auto graph = models::build_graph(source);
  const auto options = load_options(placement);
  require_memory(memory_needed(graph, options), placement.model.name, kPyTorch);
  return scheduled(backend::get_backend(kPyTorch).load(graph, options), placement);
}

std::shared_ptr<HostedModel> ModelLoader::load_pytorch(const Placement& asked,
                                                       const ModelCache::MakeRoom& make_room) {
  auto hosted = std::make_shared<HostedModel>();
  hosted->asked = asked;
  hosted->assets = assets_of(asked.model.name, open_source(asked.model));
  hosted->backend = kPyTorch;
  hosted->path = hosted->assets.path;
  backend::get_backend(kPyTorch);
  make_room();
  hosted->model = load_on_pytorch(*hosted->assets.source, on_pytorch(asked));
  warm_up(*hosted->model, *hosted);
  return hosted;
}

std::shared_ptr<backend::LoadedModel> ModelLoader::compile(backend::Artifact& artifact,
                                                           const HostedModel& hosted,
                                                           Placement placement) {
  const auto& assets = hosted.assets;
  try {
    return artifact.compile(assets.info, artifact_options(placement, hosted.path));
  } catch (const DeviceError& error) {
    const auto device = upper(placement.device);
    if (!placement.config->openvino.enable_fallback || device == "CPU" ||
        device.starts_with("AUTO"))
      throw;
    fallbacks_.record(assets.name, kOpenVino, kOpenVino, FallbackReason::kDeviceNotAvailable,
                      fmt::format("{}; using CPU", error.what()));
  }
  placement.device = "CPU";
  return artifact.compile(assets.info, artifact_options(placement, hosted.path));
}

std::shared_ptr<HostedModel> ModelLoader::load_openvino(const Placement& asked,
                                                        const ModelCache::MakeRoom& make_room) {
  auto& openvino = backend::get_backend(kOpenVino);
  const auto& config = asked.config->openvino;
  auto opened = open_openvino_artifact(asked.model, config, openvino);
  auto hosted = std::make_shared<HostedModel>();
  hosted->asked = asked;
  hosted->assets = std::move(opened.assets);
  hosted->backend = kOpenVino;
  hosted->path = opened.file;
  hosted->fingerprint = opened.fingerprint;
  make_room();
  require_memory(memory_needed(hosted->path, hosted->assets.info), asked.model.name, kOpenVino);
  if (opened.was_tuned && config.auto_export && is_tuned_for(asked.device))
    renew_tuning({.source = hosted->assets.source.get(),
                  .backend = openvino,
                  .xml = hosted->path,
                  .info = hosted->assets.info});
  hosted->model = scheduled(compile(*opened.artifact, *hosted, asked), asked);
  warm_up(*hosted->model, *hosted);
  const auto& breaker = config.circuit_breaker;
  if (config.enable_fallback && breaker.failures > 0)
    hosted->breaker =
        std::make_unique<CircuitBreaker>(breaker.failures, breaker.retry_after_seconds);
  return hosted;
}

std::shared_ptr<HostedModel> ModelLoader::load(const Placement& asked,
                                               const ModelCache::MakeRoom& make_room) {
  try {
    return load_exactly(asked, make_room);
  } catch (const MuAIError& error) {
    if (asked.backend == kPyTorch || !asked.config->openvino.enable_fallback ||
        !may_fall_back(error))
      throw;
    return fall_back(asked, make_room, error);
  }
}

std::shared_ptr<HostedModel> ModelLoader::load_exactly(const Placement& asked,
                                                       const ModelCache::MakeRoom& make_room) {
  return typed(fmt::format("Loading {}", asked.model.name), [&] {
    return asked.backend == kPyTorch ? load_pytorch(asked, make_room)
                                     : load_openvino(asked, make_room);
  });
}

std::shared_ptr<HostedModel> ModelLoader::fall_back(const Placement& asked,
                                                    const ModelCache::MakeRoom& make_room,
                                                    const MuAIError& error) {
  // A plain BackendError comes from an automatic export alone.
  const auto reason =
      error.code() == ErrorCode::kBackend ? FallbackReason::kModelNotExported : reason_of(error);
  const auto& name = asked.model.name;
  std::shared_ptr<HostedModel> hosted;
  try {
    hosted = typed(name, [&] { return load_pytorch(asked, make_room); });
  } catch (const MuAIError& second) {
    // Where no form of the model is there, that is the matter, not which backend was tried first.
    const bool no_model = second.code() == ErrorCode::kModelNotFound &&
                          (reason == FallbackReason::kModelNotExported ||
                           reason == FallbackReason::kBackendNotAvailable);
    if (no_model) rethrow_with(second, fmt::format(" (OpenVINO: {})", error.what()));
    rethrow_with(error, fmt::format("; PyTorch cannot take over: {}", second.what()));
  }
  fallbacks_.record(name, kOpenVino, kPyTorch, reason, error.what());
  return hosted;
}

std::shared_ptr<backend::LoadedModel> ModelLoader::stand_in(HostedModel& hosted) {
  const auto& name = hosted.assets.name;
  return hosted.standby([&] {
    return typed(name, [&] {
      const auto source =
          hosted.assets.source ? hosted.assets.source : open_source(hosted.asked.model);
      if (!hosted.fingerprint.empty() && source->fingerprint() != hosted.fingerprint)
        throw FileValidationError(
            fmt::format("{} holds other weights than those that {} was exported from",
                        source->path().string(), hosted.path.string()));
      return load_on_pytorch(*source, on_pytorch(hosted.asked));
    });
  });
}

std::shared_ptr<backend::LoadedModel> ModelLoader::take_over(HostedModel& hosted,
                                                             const MuAIError& error,
                                                             const std::string& failed_backend) {
  if (failed_backend == kPyTorch || !hosted.asked.config->openvino.enable_fallback ||
      !may_fall_back(error))
    rethrow_with(error, "");
  std::shared_ptr<backend::LoadedModel> model;
  try {
    model = stand_in(hosted);
  } catch (const MuAIError& second) {
    rethrow_with(error, fmt::format("; PyTorch cannot take over: {}", second.what()));
  }
  fallbacks_.record(hosted.assets.name, failed_backend, kPyTorch, reason_of(error), error.what());
  return model;
}

}  // namespace mm_orch::manager
