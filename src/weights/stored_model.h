// The one ModelSource: plain data that a format's opener fills in.
#pragma once

#include "weights/gguf.h"
#include "weights/model_source.h"

namespace mm_orch::weights {

struct StoredModel final : public ModelSource {
  const std::filesystem::path& path() const override { return location; }
  const nlohmann::json& config() const override { return config_json; }
  const nlohmann::json& generation_config() const override { return generation_json; }
  const TokenizerFiles& tokenizer_files() const override { return tokenizer; }
  std::optional<std::string> chat_template() const override { return chat; }
  const nlohmann::json& special_tokens() const override { return special; }
  const Tensor* find(const std::string& name) const override;
  std::vector<std::string> tensor_names() const override;
  std::string fingerprint() const override;

  /// Takes the tensors under their present names.
  /// @throws FileValidationError  two have the same name.
  void set_tensors(std::vector<Tensor> list);

  std::filesystem::path location;
  nlohmann::json config_json = nlohmann::json::object();
  nlohmann::json generation_json = nlohmann::json::object();
  nlohmann::json special = nlohmann::json::object();
  TokenizerFiles tokenizer;
  std::optional<std::string> chat;
  uint64_t file_bytes = 0;  // of all weight files

 private:
  std::vector<Tensor> tensors_;  // sorted by name
};

/// The model that a GGUF file holds; `path` is for the errors. Leaves file_bytes 0.
std::unique_ptr<StoredModel> model_from_gguf(GgufFile file, const std::filesystem::path& path);
/// Opens a .gguf file.
std::unique_ptr<StoredModel> open_gguf(const std::filesystem::path& path);
/// Opens a folder with config.json; `with_weights` off leaves the tensors out.
std::unique_ptr<StoredModel> open_folder(const std::filesystem::path& path, bool with_weights);

/// True if the folder has safetensors under a name that transformers reads.
bool has_safetensors(const std::filesystem::path& folder);

}  // namespace mm_orch::weights
