// A compiled model and its idle inference requests. A request holds the state (KV
// cache) of one session; making one is costly, so that they are kept and reset.
#pragma once

#include <mutex>
#include <openvino/runtime/compiled_model.hpp>
#include <openvino/runtime/infer_request.hpp>
#include <vector>

#include "backend/backend.h"

namespace mm_orch::openvino {

struct CompileRequest {
  std::shared_ptr<ov::Model> model;  // changed: gets the cut to the last position
  graph::ModelInfo info;
  std::string precision;  // of the weights
  std::string path;       // of the artifact, for messages; empty: none
};

class OpenVinoModel : public backend::LoadedModel {
 public:
  /// Compiles and warms up.
  static std::shared_ptr<OpenVinoModel> compile(const CompileRequest& request,
                                                const backend::LoadOptions& options);

  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override;
  std::string device() const override { return context_.device; }
  std::string precision() const override { return precision_; }
  uint64_t memory_bytes() const override { return memory_bytes_; }

  const graph::ModelInfo& info() const { return info_; }
  const ErrorContext& context() const { return context_; }
  bool has_input(const std::string& name) const;
  const ov::CompiledModel& compiled() const { return compiled_; }

  /// A request without past. Thread-safe, as is the next.
  ov::InferRequest acquire_request();
  void release_request(ov::InferRequest request);

 private:
  OpenVinoModel(const CompileRequest& request, std::string device);
  void prepare(const std::shared_ptr<ov::Model>& model, const ov::AnyMap& properties);
  void warm_up();

  graph::ModelInfo info_;
  std::string precision_;
  ErrorContext context_;
  uint64_t memory_bytes_ = 0;
  ov::CompiledModel compiled_;
  std::mutex mutex_;
  std::vector<ov::InferRequest> idle_;
};

}  // namespace mm_orch::openvino
