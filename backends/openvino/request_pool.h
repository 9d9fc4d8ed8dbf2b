// Idle inference requests of a compiled model: making one is costly, so that they are
// kept and reset. Thread-safe.
#pragma once

#include <mutex>
#include <openvino/runtime/compiled_model.hpp>
#include <openvino/runtime/infer_request.hpp>
#include <vector>

namespace mm_orch::openvino {

class RequestPool {
 public:
  explicit RequestPool(ov::CompiledModel model) : model_(std::move(model)) {}

  const ov::CompiledModel& model() const { return model_; }
  /// A request without past.
  ov::InferRequest acquire();
  void release(ov::InferRequest request);

 private:
  ov::CompiledModel model_;
  std::mutex mutex_;
  std::vector<ov::InferRequest> idle_;
};

/// True if one of the model's inputs has that name.
bool has_input(const ov::CompiledModel& model, const std::string& name);

}  // namespace mm_orch::openvino
