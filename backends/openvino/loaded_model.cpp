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
#include "paged_decoder.h"
#include "paged_form.h"
#include "paged_reader.h"
#include "session.h"
#include "step_decoder.h"
#include "step_form.h"

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
                                              const backend::LoadOptions& options,
                                              const CompileCache* cache) {
  if (request.decoder) return OpenVinoModel::compile(request, options, cache);
  return EncoderModel::compile(request, options);
}

std::shared_ptr<backend::LoadedModel> load_compiled(const CompileCache& cache,
                                                    const graph::ModelInfo& info,
                                                    const std::string& device,
                                                    const std::string& path,
                                                    const backend::LoadOptions& options) {
  auto form = cache.read();
  if (!form) return nullptr;
  return OpenVinoModel::adopt(std::move(*form), info, device, path, options);
}

OpenVinoModel::OpenVinoModel(const graph::ModelInfo& info, ErrorContext context)
    : info_(info), context_(std::move(context)) {}

std::shared_ptr<OpenVinoModel> OpenVinoModel::compile(const CompileRequest& request,
                                                      const backend::LoadOptions& options,
                                                      const CompileCache* cache) {
  const auto device = resolve_device(options.device);
  std::shared_ptr<OpenVinoModel> loaded(new OpenVinoModel(
      request.info, {.backend = kBackendName, .device = device, .path = request.path}));
  const auto& context = loaded->context_;
  if (!request.path.empty()) check_interface(*request.decoder, request.info, context);
  auto properties = compile_properties(*request.decoder, request.precision, device, options);
  CompileRequest changed = request;
  CompiledForm form{.precision = request.precision,
                    .memory_bytes = constant_bytes(*request.decoder)};
  if (request.encoder) form.memory_bytes += constant_bytes(*request.encoder);
  translate<ModelLoadError>("OpenVINO cannot use the model", context, [&] {
    if (changed.encoder) form.source_names = move_source_part(changed.encoder, changed.decoder);
    std::shared_ptr<ov::Model> paged;
    if (device == "CPU")
      paged = changed.encoder ? step_form(*changed.decoder, request.info, form.source_names)
                              : paged_form(*changed.decoder, request.info);
    if (paged)
      changed.decoder = std::move(paged);
    else
      cut_logits(*changed.decoder);
  });
  try {
    loaded->prepare(changed, form, properties, options.kv_cache_bytes);
  } catch (const ModelLoadError& error) {
    // The CPU plug-in's fused bf16 layers do not take all sizes.
    if (!lowered_by_artifact(properties, options)) throw;
    log(LogLevel::kWarning, fmt::format("{}; trying again in f32, which is slower", error.what()));
    raise_to_f32(properties);
    loaded->prepare(changed, form, properties, options.kv_cache_bytes);
  }
  if (cache) cache->write(form, properties);
  return loaded;
}

std::shared_ptr<OpenVinoModel> OpenVinoModel::adopt(CompiledForm form, const graph::ModelInfo& info,
                                                    const std::string& device,
                                                    const std::string& path,
                                                    const backend::LoadOptions& options) {
  std::shared_ptr<OpenVinoModel> loaded(
      new OpenVinoModel(info, {.backend = kBackendName, .device = device, .path = path}));
  loaded->take(form, options.kv_cache_bytes);
  return loaded;
}

void OpenVinoModel::prepare(const CompileRequest& request, CompiledForm& form,
                            const ov::AnyMap& properties, uint64_t kv_cache_bytes) {
  translate<ModelLoadError>("OpenVINO cannot compile the model", context_, [&] {
    form.decoder = core().compile_model(request.decoder, context_.device, properties);
    if (request.encoder)
      form.encoder = core().compile_model(request.encoder, context_.device, properties);
  });
  take(form, kv_cache_bytes);
  try {
    warm_up();
  } catch (const InferenceError& error) {
    throw ModelLoadError(fmt::format("The model compiles but does not run: {}", error.what()),
                         context_);
  }
}

void OpenVinoModel::take(const CompiledForm& form, uint64_t kv_cache_bytes) {
  precision_ = form.precision;
  memory_bytes_ = form.memory_bytes;
  file_ = form.file;
  compiled_ = form.decoder;
  paged_.reset();
  if (has_input(form.decoder, kPagedInput)) {
    paged_ = std::make_unique<PagedDecoder>(form.decoder, info_, context_, kv_cache_bytes);
  } else if (has_input(form.decoder, kStepInput)) {
    paged_ = std::make_unique<StepDecoder>(form, info_, context_, kv_cache_bytes);
  } else {
    requests_.emplace(form.decoder);
    if (form.encoder) sources_.emplace(*form.encoder, form.source_names);
  }
}

void OpenVinoModel::warm_up() {
  const int64_t limit = info_.context_length > 0 ? info_.context_length : 9;
  const std::vector<int64_t> prompt(static_cast<size_t>(std::min<int64_t>(8, limit - 1)), 0);
  const int64_t token = 0;
  backend::SessionOptions options;
  if (info_.kind == graph::ModelKind::kEncoderDecoder) options.sources = {{&token, 1}};
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
