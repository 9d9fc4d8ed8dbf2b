// A model source in memory: a config and tensors, no files.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "weights/model_source.h"

namespace mm_orch::testing {

class MemorySource : public weights::ModelSource {
 public:
  explicit MemorySource(nlohmann::json config) : config_(std::move(config)) {}

  void add(weights::Tensor tensor) {
    const std::string name = tensor.name;
    tensors_.insert_or_assign(name, std::move(tensor));
  }
  void remove(const std::string& name) { tensors_.erase(name); }

  const std::filesystem::path& path() const override { return path_; }
  const nlohmann::json& config() const override { return config_; }
  const nlohmann::json& generation_config() const override { return empty_; }
  const weights::TokenizerFiles& tokenizer_files() const override { return tokenizer_; }
  std::optional<std::string> chat_template() const override { return std::nullopt; }
  const nlohmann::json& special_tokens() const override { return empty_; }
  const weights::Tensor* find(const std::string& name) const override {
    const auto it = tensors_.find(name);
    return it == tensors_.end() ? nullptr : &it->second;
  }
  std::vector<std::string> tensor_names() const override {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : tensors_) names.push_back(name);
    return names;
  }
  std::string fingerprint() const override { return "0000000000000000"; }

 private:
  std::filesystem::path path_ = "memory";
  nlohmann::json config_;
  nlohmann::json empty_ = nlohmann::json::object();
  weights::TokenizerFiles tokenizer_;
  std::map<std::string, weights::Tensor> tensors_;
};

}  // namespace mm_orch::testing
