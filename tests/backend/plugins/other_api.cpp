#include "backend/plugin.h"

extern "C" MM_ORCH_EXPORT mm_orch::backend::Backend* mm_orch_create_backend(int) { return nullptr; }
