// A compiled model with an encoder alone.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "loaded_model.h"
#include "request_pool.h"

namespace mm_orch::openvino {

class EncoderModel : public backend::LoadedModel {
 public:
  /// Compiles request.encoder.
  static std::shared_ptr<EncoderModel> compile(const CompileRequest& request,
                                               const backend::LoadOptions& options);

  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override;
  backend::EncoderOutput encode(const backend::EncoderInput& input) override;
  std::string device() const override { return context_.device; }
  std::string precision() const override { return precision_; }
  uint64_t memory_bytes() const override { return memory_bytes_; }

 private:
  EncoderModel(const CompileRequest& request, ErrorContext context, ov::CompiledModel compiled);

  graph::ModelInfo info_;
  std::string precision_;
  ErrorContext context_;
  uint64_t memory_bytes_;
  RequestPool requests_;
};

}  // namespace mm_orch::openvino
