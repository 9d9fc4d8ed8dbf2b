#include "support/scripted_backend.h"

#include <cmath>
#include <fstream>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <vector>

#include "backend/plugin.h"
#include "support/reference_backend.h"

namespace mm_orch::testing {
namespace {

using backend::LoadOptions;

class FaultySession final : public backend::Session {
 public:
  FaultySession(std::unique_ptr<Session> inner, std::shared_ptr<Faults> faults)
      : inner_(std::move(inner)), faults_(std::move(faults)) {}
  std::span<const float> step(std::span<const int64_t> tokens, backend::LogitsOf of) override {
    const int64_t n = faults_->steps++;
    if (faults_->at_step) faults_->at_step(n);
    const auto logits = inner_->step(tokens, of);
    if (n != faults_->nan_at_step && !faults_->change_logits) return logits;
    spoiled_.assign(logits.begin(), logits.end());
    if (faults_->change_logits) faults_->change_logits(spoiled_);
    if (n == faults_->nan_at_step) spoiled_.back() = std::nanf("");
    return spoiled_;
  }
  void reorder(std::span<const int32_t> source) override { inner_->reorder(source); }
  int64_t length() const override { return inner_->length(); }

 private:
  std::unique_ptr<Session> inner_;
  std::shared_ptr<Faults> faults_;
  std::vector<float> spoiled_;
};

class FaultyModel final : public backend::LoadedModel {
 public:
  FaultyModel(std::shared_ptr<LoadedModel> inner, std::shared_ptr<Faults> faults,
              std::string device)
      : inner_(std::move(inner)), faults_(std::move(faults)), device_(std::move(device)) {
    ++faults_->live_models;
  }
  ~FaultyModel() override { --faults_->live_models; }
  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override {
    if (faults_->at_session) faults_->at_session();
    return std::make_unique<FaultySession>(inner_->new_session(options), faults_);
  }
  backend::EncoderOutput encode(const backend::EncoderInput& input) override {
    auto output = inner_->encode(input);
    if (faults_->change_logits) faults_->change_logits(output.hidden);
    return output;
  }
  std::string device() const override { return device_; }
  std::string precision() const override { return inner_->precision(); }
  uint64_t memory_bytes() const override { return inner_->memory_bytes(); }

 private:
  std::shared_ptr<LoadedModel> inner_;
  std::shared_ptr<Faults> faults_;
  std::string device_;
};

class ScriptedArtifact final : public backend::Artifact {
 public:
  ScriptedArtifact(graph::Graph graph, std::map<std::string, std::string> metadata,
                   std::shared_ptr<Faults> faults, std::shared_ptr<backend::Backend> reference)
      : graph_(std::move(graph)),
        metadata_(std::move(metadata)),
        faults_(std::move(faults)),
        reference_(std::move(reference)) {}
  std::map<std::string, std::string> metadata() const override { return metadata_; }
  std::shared_ptr<backend::LoadedModel> compile(const graph::ModelInfo&,
                                                const LoadOptions& options) override {
    if (faults_->at_compile) faults_->at_compile(options.device);
    ++faults_->loads;
    return std::make_shared<FaultyModel>(reference_->load(graph_, options), faults_,
                                         options.device);
  }

 private:
  graph::Graph graph_;
  std::map<std::string, std::string> metadata_;
  std::shared_ptr<Faults> faults_;
  std::shared_ptr<backend::Backend> reference_;
};

class ScriptedBackend final : public backend::Backend {
 public:
  ScriptedBackend(std::string name, std::shared_ptr<Faults> faults)
      : name_(std::move(name)),
        faults_(std::move(faults)),
        reference_(make_reference_backend(name_)) {}
  std::string name() const override { return name_; }
  std::string sdk_version() const override { return "scripted"; }
  std::vector<backend::DeviceInfo> devices() const override { return {{"CPU", "scripted"}}; }
  std::shared_ptr<backend::LoadedModel> load(const graph::Graph& graph,
                                             const LoadOptions& options) override {
    if (faults_->at_load) faults_->at_load();
    ++faults_->loads;
    return std::make_shared<FaultyModel>(reference_->load(graph, options), faults_, options.device);
  }
  bool uses_artifacts() const override { return name_ == "openvino"; }

  void export_artifact(const graph::Graph& graph, const std::filesystem::path& stem,
                       const backend::ExportOptions& options) override {
    if (options.progress) options.progress(0, 1, "weights");
    ++faults_->exports;
    size_t id = 0;
    {
      const std::lock_guard lock(mutex_);
      id = graphs_.size();
      graphs_.push_back(graph);
    }
    auto metadata = options.metadata;
    metadata["precision"] = backend::precision_name(options.precision);
    std::ofstream(stem.string() + ".xml") << nlohmann::json{{"id", id}, {"metadata", metadata}};
    std::ofstream(stem.string() + ".bin") << "weights " << id;
    if (faults_->at_export) faults_->at_export(stem.string());
    if (options.progress) options.progress(1, 1, "weights");
  }
  std::unique_ptr<backend::Artifact> open_artifact(const std::filesystem::path& path) override {
    if (faults_->at_open) faults_->at_open();
    std::ifstream file(path);
    const auto content = nlohmann::json::parse(file, nullptr, false);
    if (content.is_discarded()) throw FileValidationError(path.string() + " is damaged");
    const std::lock_guard lock(mutex_);
    return std::make_unique<ScriptedArtifact>(
        graphs_.at(content.at("id").get<size_t>()),
        content.at("metadata").get<std::map<std::string, std::string>>(), faults_, reference_);
  }

 private:
  std::string name_;
  std::shared_ptr<Faults> faults_;
  std::shared_ptr<backend::Backend> reference_;
  std::mutex mutex_;
  std::vector<graph::Graph> graphs_;
};

}  // namespace

std::shared_ptr<Faults> register_scripted_backend(const std::string& name) {
  auto faults = std::make_shared<Faults>();
  backend::register_backend(std::make_unique<ScriptedBackend>(name, faults));
  return faults;
}

}  // namespace mm_orch::testing
