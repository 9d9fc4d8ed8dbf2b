// Any bytes as a .gguf file: a model, or one of the two documented errors.
#include "mm_orch/errors.h"
#include "weights/stored_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mm_orch;
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    const auto model =
        weights::model_from_gguf(weights::read_gguf(bytes, nullptr, "input.gguf"), "input.gguf");
    for (const auto& name : model->tensor_names()) read_f32(*model->find(name));
    static_cast<void>(model->fingerprint());
  } catch (const FileValidationError&) {
  } catch (const UnsupportedModelError&) {
  }
  return 0;
}
