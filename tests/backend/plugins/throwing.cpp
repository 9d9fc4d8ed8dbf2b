#include <stdexcept>

#include "backend/plugin.h"

extern "C" MM_ORCH_EXPORT mm_orch::backend::Backend* mm_orch_create_backend(int) {
  throw std::runtime_error("no device plug-ins found");
}
