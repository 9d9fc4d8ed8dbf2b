#include "loaded_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>

#include "backend/paged_session.h"
#include "compile_options.h"
#include "devices.h"
#include "encoder_model.h"
#include "last_position.h"
#include "mm_orch/log.h"
#include "openvino_errors.h"
#include "paged_form.h"
#include "session.h"

namespace mm_orch::openvino {
namespace {

// A model that another tool exported must be one that a session can drive.
void check_interface(const ov::Model& decoder, const graph::ModelInfo& info,
                     const ErrorContext& context) {
  const char* task = info.kind == graph::ModelKind::kEncoderDecoder
                         ? "text2text-generation-with-past"
                         : "text-generation-with-past";
  require_port(decoder.inputs(), "input_ids", task, context);
  require_port(decoder.outputs(), "logits", task, context);
  if (decoder.get_variables().empty())
    throw UnsupportedModelError(
        fmt::format("The IR keeps no state, so it has no KV cache; export it with 'mm-orch export' "
                    "or 'optimum-cli export openvino --task {}'",
                    task),
        context);
}

}  // namespace

uint64_t constant_bytes(const ov::Model& model) {
  uint64_t bytes = 0;
  for (const auto& node : model.get_ops())
    if (const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node))
      bytes += constant->get_byte_size();
  return bytes;
}

std::shared_ptr<backend::LoadedModel> compile(const CompileRequest& request,
                                              const backend::LoadOptions& options) {
  if (request.decoder) return OpenVinoModel::compile(request, options);
  return EncoderModel::compile(request, options);
}

OpenVinoModel::OpenVinoModel(const CompileRequest& request, std::string device)
    : info_(request.info),
      precision_(request.precision),
      context_{.backend = kBackendName, .device = std::move(device), .path = request.path},
      memory_bytes_(constant_bytes(*request.decoder)) {
  if (request.encoder) memory_bytes_ += constant_bytes(*request.encoder);
}

std::shared_ptr<OpenVinoModel> OpenVinoModel::compile(const CompileRequest& request,
                                                      const backend::LoadOptions& options) {
  std::shared_ptr<OpenVinoModel> loaded(new OpenVinoModel(request, resolve_device(options.device)));
  const auto& context = loaded->context_;
  if (!request.path.empty()) check_interface(*request.decoder, request.info, context);
  auto properties =
      compile_properties(*request.decoder, request.precision, context.device, options);
  CompileRequest changed = request;
  std::vector<std::string> source_names;
  translate<ModelLoadError>("OpenVINO cannot use the model", context, [&] {
    if (changed.encoder) source_names = move_source_part(changed.encoder, changed.decoder);
    auto paged = !changed.encoder && context.device == "CPU"
                     ? paged_form(*changed.decoder, request.info)
                     : nullptr;
    loaded->is_paged_ = paged != nullptr;
    if (paged)
      changed.decoder = std::move(paged);
    else
      cut_logits(*changed.decoder);
  });
  try {
    loaded->prepare(changed, source_names, properties, options.kv_cache_bytes);
  } catch (const ModelLoadError& error) {
    // The CPU plug-in's fused bf16 layers do not take all sizes.
    if (!lowered_by_artifact(properties, options)) throw;
    log(LogLevel::kWarning, fmt::format("{}; trying again in f32, which is slower", error.what()));
    raise_to_f32(properties);
    loaded->prepare(changed, source_names, properties, options.kv_cache_bytes);
  }
  return loaded;
}

void OpenVinoModel::prepare(const CompileRequest& request,
                            const std::vector<std::string>& source_names,
                            const ov::AnyMap& properties, uint64_t kv_cache_bytes) {
  translate<ModelLoadError>("OpenVINO cannot compile the model", context_, [&] {
    auto compiled = core().compile_model(request.decoder, context_.device, properties);
    paged_.reset();
    if (is_paged_)
      paged_.emplace(std::move(compiled), info_, context_, kv_cache_bytes);
    else
      requests_.emplace(std::move(compiled));
    if (request.encoder)
      sources_.emplace(core().compile_model(request.encoder, context_.device, properties),
                       source_names);
  });
  try {
    warm_up();
  } catch (const InferenceError& error) {
    throw ModelLoadError(fmt::format("The model compiles but does not run: {}", error.what()),
                         context_);
  }
}

void OpenVinoModel::warm_up() {
  const int64_t limit = info_.context_length > 0 ? info_.context_length : 9;
  const std::vector<int64_t> prompt(static_cast<size_t>(std::min<int64_t>(8, limit - 1)), 0);
  const int64_t token = 0;
  backend::SessionOptions options;
  if (sources_) options.sources = {{&token, 1}};
  const auto session = open_session(options, nullptr);
  if (!prompt.empty()) session->step(prompt, backend::LogitsOf::kLastToken);
  session->step({&token, 1}, backend::LogitsOf::kLastToken);
}

std::unique_ptr<backend::Session> OpenVinoModel::new_session(
    const backend::SessionOptions& options) {
  return open_session(options, shared_from_this());
}

std::unique_ptr<backend::Session> OpenVinoModel::open_session(
    const backend::SessionOptions& options, std::shared_ptr<const LoadedModel> owner) {
  if (paged_) return std::make_unique<backend::PagedSession>(*paged_, std::move(owner), options);
  return std::make_unique<OpenVinoSession>(*this, std::move(owner), options);
}

}  // namespace mm_orch::openvino
