// A backend whose steps cost nothing: what remains is the manager, the loop, the sampler and the
// text. Its logits are the same at every step.
#pragma once

#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "backend/plugin.h"

namespace mm_orch::benchmarks {

inline std::vector<float> random_logits(size_t vocabulary) {
  std::mt19937 engine(1);
  std::normal_distribution<float> distribution(0, 3);
  std::vector<float> logits(vocabulary);
  for (float& logit : logits) logit = distribution(engine);
  return logits;
}

class NullSession final : public backend::Session {
 public:
  NullSession(size_t batch, size_t vocabulary) : batch_(batch), vocabulary_(vocabulary) {
    const auto row = random_logits(vocabulary);
    for (size_t b = 0; b < batch; ++b) logits_.insert(logits_.end(), row.begin(), row.end());
  }
  std::span<const float> step(std::span<const int64_t> tokens, backend::LogitsOf) override {
    length_ += static_cast<int64_t>(tokens.size() / batch_);
    return logits_;
  }
  void reorder(std::span<const int32_t>) override {}
  int64_t length() const override { return length_; }

 private:
  size_t batch_;
  size_t vocabulary_;
  std::vector<float> logits_;
  int64_t length_ = 0;
};

class NullModel final : public backend::LoadedModel {
 public:
  explicit NullModel(size_t vocabulary) : vocabulary_(vocabulary) {}
  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override {
    return std::make_unique<NullSession>(static_cast<size_t>(options.batch), vocabulary_);
  }
  std::string device() const override { return "cpu"; }
  std::string precision() const override { return "FP32"; }
  uint64_t memory_bytes() const override { return 1; }

 private:
  size_t vocabulary_;
};

class NullBackend final : public backend::Backend {
 public:
  std::string name() const override { return "pytorch"; }
  std::string sdk_version() const override { return "none"; }
  std::vector<backend::DeviceInfo> devices() const override { return {{"cpu", "none"}}; }
  std::shared_ptr<backend::LoadedModel> load(const graph::Graph& graph,
                                             const backend::LoadOptions&) override {
    return std::make_shared<NullModel>(static_cast<size_t>(graph.info.vocabulary_size));
  }
  bool uses_artifacts() const override { return false; }
  void export_artifact(const graph::Graph&, const std::filesystem::path&,
                       const backend::ExportOptions&) override {
    throw BackendError("the null backend exports nothing");
  }
  std::unique_ptr<backend::Artifact> open_artifact(const std::filesystem::path&) override {
    throw BackendError("the null backend opens nothing");
  }
};

}  // namespace mm_orch::benchmarks
