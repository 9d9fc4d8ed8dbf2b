#include "backend/plugin.h"
#include "support/reference_backend.h"

extern "C" int openvino_test_symbol();

extern "C" MM_ORCH_EXPORT mm_orch::backend::Backend* mm_orch_create_backend(int) {
  return openvino_test_symbol() ? mm_orch::testing::make_reference_backend("openvino").release()
                                : nullptr;
}
