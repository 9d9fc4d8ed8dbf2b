// A loaded program and its sessions.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"
#include "program.h"

namespace mm_orch::torch_backend {

class TorchModel : public backend::LoadedModel {
 public:
  /// @param num_threads  of each step; 0: torch's default.
  TorchModel(const graph::Graph& graph, Precision precision, int num_threads);

  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override;
  backend::EncoderOutput encode(const backend::EncoderInput& input) override;
  std::string device() const override { return "cpu"; }
  std::string precision() const override {
    return precision_ == Precision::kINT8   ? "INT8"
           : precision_ == Precision::kBF16 ? "BF16"
                                            : "FP32";
  }
  uint64_t memory_bytes() const override { return program_.weight_bytes(); }

  const Program& program() const { return program_; }
  int num_threads() const { return num_threads_; }

 private:
  Program program_;
  Precision precision_;
  int num_threads_;
};

}  // namespace mm_orch::torch_backend
