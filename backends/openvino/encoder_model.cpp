#include "encoder_model.h"

#include "backend/inputs.h"
#include "compile_options.h"
#include "devices.h"
#include "openvino_errors.h"
#include "padded_texts.h"

namespace mm_orch::openvino {

EncoderModel::EncoderModel(const CompileRequest& request, ErrorContext context,
                           ov::CompiledModel compiled)
    : info_(request.info),
      precision_(request.precision),
      context_(std::move(context)),
      memory_bytes_(constant_bytes(*request.encoder)),
      requests_(std::move(compiled)) {}

std::shared_ptr<EncoderModel> EncoderModel::compile(const CompileRequest& request,
                                                    const backend::LoadOptions& options) {
  const ErrorContext context{
      .backend = kBackendName, .device = resolve_device(options.device), .path = request.path};
  require_port(request.encoder->inputs(), "input_ids", "feature-extraction", context);
  require_port(request.encoder->outputs(), "last_hidden_state", "feature-extraction", context);
  const auto properties =
      compile_properties(*request.encoder, request.precision, context.device, options);
  auto compiled = translate<ModelLoadError>("OpenVINO cannot compile the model", context, [&] {
    return core().compile_model(request.encoder, context.device, properties);
  });
  return std::shared_ptr<EncoderModel>(new EncoderModel(request, context, std::move(compiled)));
}

std::unique_ptr<backend::Session> EncoderModel::new_session(
    const backend::SessionOptions& options) {
  backend::check_session_options(options, info_);  // refuses
  return nullptr;
}

backend::EncoderOutput EncoderModel::encode(const backend::EncoderInput& input) {
  backend::check_encoder_input(input, info_);
  PaddedTexts texts(input);
  backend::EncoderOutput output;
  translate<InferenceError>("OpenVINO's inference failed", context_, [&] {
    auto request = requests_.acquire();
    texts.set_inputs(request);
    request.infer();
    const ov::Tensor hidden = request.get_tensor("last_hidden_state");
    const size_t width = hidden.get_shape().at(2);
    for (size_t i = 0; i < input.tokens.size(); ++i) {
      const float* text = hidden.data<float>() + i * texts.longest() * width;
      output.hidden.insert(output.hidden.end(), text, text + input.tokens[i].size() * width);
    }
    if (!info_.labels.empty()) {
      const ov::Tensor logits = request.get_tensor("logits");
      output.class_logits.assign(logits.data<float>(), logits.data<float>() + logits.get_size());
    }
    requests_.release(std::move(request));
  });
  return output;
}

}  // namespace mm_orch::openvino
