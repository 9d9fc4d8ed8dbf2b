// A loaded program.
#pragma once

#include <optional>
#include <string>

#include "backend/backend.h"
#include "paged_decoder.h"

namespace mm_orch::torch_backend {

class TorchModel : public backend::LoadedModel {
 public:
  TorchModel(const graph::Graph& graph, Precision precision, const backend::LoadOptions& options);

  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override;
  backend::PagedRunner* paged() override { return paged_ ? &*paged_ : nullptr; }
  backend::EncoderOutput encode(const backend::EncoderInput& input) override;
  std::string device() const override { return "cpu"; }
  std::string precision() const override;
  uint64_t memory_bytes() const override { return program_.weight_bytes(); }

 private:
  Program program_;
  int num_threads_;
  std::optional<PagedDecoder> paged_;  // not of an encoder
};

}  // namespace mm_orch::torch_backend
