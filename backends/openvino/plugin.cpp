// The plug-in's C entry.
#include "backend/plugin.h"

#include "openvino_backend.h"

extern "C" MM_ORCH_EXPORT mm_orch::backend::Backend* mm_orch_create_backend(int api_version) {
  if (api_version != mm_orch::backend::kPluginApiVersion) return nullptr;
  return new mm_orch::openvino::OpenVinoBackend();
}
