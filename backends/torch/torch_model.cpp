#include "torch_model.h"

#include <c10/core/InferenceMode.h>

#include "backend/inputs.h"
#include "backend/paged_session.h"
#include "guard.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {

TorchModel::TorchModel(const graph::Graph& graph, Precision precision,
                       const backend::LoadOptions& options)
    : program_(graph, precision), num_threads_(options.num_threads) {
  if (program_.info().kind != graph::ModelKind::kEncoder)
    paged_.emplace(program_, num_threads_, options.kv_cache_bytes);
}

std::unique_ptr<backend::Session> TorchModel::new_session(const backend::SessionOptions& options) {
  backend::check_session_options(options, program_.info());
  return std::make_unique<backend::PagedSession>(*paged_, shared_from_this(), options);
}

std::string TorchModel::precision() const {
  switch (program_.precision()) {
    case Precision::kBF16:
      return "BF16";
    case Precision::kINT8:
      return "INT8";
    case Precision::kF32:
      break;
  }
  return "FP32";
}

backend::EncoderOutput TorchModel::encode(const backend::EncoderInput& input) {
  if (paged_) return LoadedModel::encode(input);
  backend::check_encoder_input(input, program_.info());
  return guarded<InferenceError>("encode the texts", [&] {
    const c10::InferenceMode inference_mode;
    use_threads(num_threads_);
    return program_.encode(input);
  });
}

}  // namespace mm_orch::torch_backend
