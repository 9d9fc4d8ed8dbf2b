// Any bytes as a SentencePiece model: its pieces, or one of the two documented errors.
#include "mm_orch/errors.h"
#include "text/sentencepiece_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mm_orch;
  try {
    static_cast<void>(
        text::read_sentencepiece_model({reinterpret_cast<const char*>(data), size}, "input.model"));
  } catch (const FileValidationError&) {
  } catch (const UnsupportedModelError&) {
  }
  return 0;
}
