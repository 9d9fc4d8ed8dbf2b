// Any bytes as a .safetensors file: tensors, or one of the two documented errors.
#include "mm_orch/errors.h"
#include "weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mm_orch;
  try {
    const auto bytes = std::as_bytes(std::span(data, size));
    for (const auto& tensor : weights::read_safetensors(bytes, nullptr, "input.safetensors"))
      read_f32(tensor);
  } catch (const FileValidationError&) {
  } catch (const UnsupportedModelError&) {
  }
  return 0;
}
