// What models are on this machine, and what one of them is, without loading any.
// Functions are thread-safe; they read files only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mm_orch/errors.h"
#include "mm_orch/export.h"
#include "mm_orch/fidelity.h"
#include "mm_orch/tuning.h"

namespace mm_orch {

/// A model as it can be given to ModelManager::load_model.
struct FoundModel {
  std::string name;    // "gpt2", "openai-community/gpt2"
  std::string path;    // folder or .gguf file
  std::string place;   // "models", "hub cache"
  std::string format;  // "safetensors", "gguf"
  uint64_t bytes = 0;  // of its weights
};

/// An IR on disk.
struct ExportedModel {
  std::string name;
  std::string xml_path;
  std::string precision;    // "FP32", "FP16", "INT8", "INT4"; empty: made by another tool
  std::string fingerprint;  // of the model it was made from; empty: made by another tool
  uint64_t bytes = 0;       // of the .bin
  std::optional<FidelityReport> fidelity;  // none: made by another tool, or a damaged report
  std::optional<TuningReport> tuning;      // none: not tuned, or a damaged report
  /// What it was tuned for that is another now ("machine", "openvino", "mm_orch", "model"), so that
  /// the tuning is not used; empty: nothing.
  std::string tuning_stale_by;
};

struct ModelFile {
  std::string path;
  uint64_t bytes = 0;
};

struct ModelDescription {
  std::string name;
  std::string path;
  std::string format;        // "safetensors", "gguf"
  std::string architecture;  // "llama"
  int64_t parameters = 0;
  int64_t layers = 0;
  int64_t hidden_size = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t vocabulary_size = 0;
  int64_t context_length = 0;
  std::string tokenizer;  // "tokenizer.json", "vocab.json + merges.txt", "gguf (gpt2)"
  bool has_chat_template = false;
  std::map<std::string, int64_t> weight_types;  // "Q4_1" → number of tensors
  std::vector<ModelFile> files;
  std::string fingerprint;
  std::vector<ExportedModel> exports;  // of this name
};

/// Models under models/ and in the Hugging Face cache, by name.
MM_ORCH_EXPORT std::vector<FoundModel> find_models();

/// IRs under the configuration's cache_dir, by name.
/// @param config_path  a YAML file; not set: the default configuration.
/// @throws ConfigurationError
MM_ORCH_EXPORT std::vector<ExportedModel> find_exports(
    const std::optional<std::string>& config_path = {});

/// @param model  a path or a name, as for ModelManager::load_model.
/// @throws ModelNotFoundError, ModelLoadError, InvalidInputError, ConfigurationError.
MM_ORCH_EXPORT ModelDescription describe_model(const std::string& model,
                                               const std::optional<std::string>& config_path = {});

}  // namespace mm_orch
