#include "loaded_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>

#include "compile_options.h"
#include "devices.h"
#include "last_position.h"
#include "mm_orch/log.h"
#include "openvino_errors.h"
#include "session.h"

namespace mm_orch::openvino {
namespace {

constexpr size_t kIdleRequests = 4;  // beyond that, their caches cost more than making new ones

uint64_t constant_bytes(const ov::Model& model) {
  uint64_t bytes = 0;
  for (const auto& node : model.get_ops())
    if (const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node))
      bytes += constant->get_byte_size();
  return bytes;
}

// A model that another tool exported must be one that a session can drive.
void check_interface(const ov::Model& model, const ErrorContext& context) {
  const auto has = [](const auto& ports, const std::string& name) {
    return std::any_of(ports.begin(), ports.end(),
                       [&](const auto& port) { return port.get_names().count(name) > 0; });
  };
  const auto refuse = [&](const std::string& problem) {
    throw UnsupportedModelError(
        problem +
            "; export it with 'mm-orch export' or 'optimum-cli export openvino --task "
            "text-generation-with-past'",
        context);
  };
  if (!has(model.inputs(), "input_ids")) refuse("The IR has no input 'input_ids'");
  if (!has(model.outputs(), "logits")) refuse("The IR has no output 'logits'");
  if (model.get_variables().empty()) refuse("The IR keeps no state, so it has no KV cache");
}

}  // namespace

OpenVinoModel::OpenVinoModel(const CompileRequest& request, std::string device)
    : info_(request.info),
      precision_(request.precision),
      context_{.backend = kBackendName, .device = std::move(device), .path = request.path},
      memory_bytes_(constant_bytes(*request.model)) {}

std::shared_ptr<OpenVinoModel> OpenVinoModel::compile(const CompileRequest& request,
                                                      const backend::LoadOptions& options) {
  std::shared_ptr<OpenVinoModel> loaded(new OpenVinoModel(request, resolve_device(options.device)));
  const auto& context = loaded->context_;
  if (!request.path.empty()) check_interface(*request.model, context);
  auto properties = compile_properties(*request.model, request.precision, context.device, options);
  translate<ModelLoadError>("OpenVINO cannot use the model", context,
                            [&] { cut_logits(*request.model); });
  try {
    loaded->prepare(request.model, properties);
  } catch (const ModelLoadError& error) {
    // The CPU plug-in's fused bf16 layers do not take all sizes.
    if (!lowered_by_artifact(properties, options)) throw;
    log(LogLevel::kWarning, fmt::format("{}; trying again in f32, which is slower", error.what()));
    raise_to_f32(properties);
    loaded->prepare(request.model, properties);
  }
  return loaded;
}

void OpenVinoModel::prepare(const std::shared_ptr<ov::Model>& model, const ov::AnyMap& properties) {
  translate<ModelLoadError>("OpenVINO cannot compile the model", context_, [&] {
    compiled_ = core().compile_model(model, context_.device, properties);
  });
  try {
    warm_up();
  } catch (const InferenceError& error) {
    throw ModelLoadError(fmt::format("The model compiles but does not run: {}", error.what()),
                         context_);
  }
}

void OpenVinoModel::warm_up() {
  const std::vector<int64_t> prompt(
      static_cast<size_t>(std::min<int64_t>(8, info_.context_length - 1)), 0);
  const int64_t token = 0;
  const auto session = std::make_unique<OpenVinoSession>(*this, nullptr, backend::SessionOptions{});
  if (!prompt.empty()) session->step(prompt, backend::LogitsOf::kLastToken);
  session->step({&token, 1}, backend::LogitsOf::kLastToken);
}

std::unique_ptr<backend::Session> OpenVinoModel::new_session(
    const backend::SessionOptions& options) {
  return std::make_unique<OpenVinoSession>(*this, shared_from_this(), options);
}

bool OpenVinoModel::has_input(const std::string& name) const {
  const auto& inputs = compiled_.inputs();
  return std::any_of(inputs.begin(), inputs.end(),
                     [&](const auto& input) { return input.get_names().count(name) > 0; });
}

ov::InferRequest OpenVinoModel::acquire_request() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      ov::InferRequest request = std::move(idle_.back());
      idle_.pop_back();
      request.reset_state();
      return request;
    }
  }
  return compiled_.create_infer_request();
}

void OpenVinoModel::release_request(ov::InferRequest request) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleRequests) idle_.push_back(std::move(request));
}

}  // namespace mm_orch::openvino
