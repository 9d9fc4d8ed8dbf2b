// A model as it lies on disk, whatever the format, seen through Hugging Face's
// conventions: a config.json, tensors under transformers' names, generation
// defaults, a tokenizer. GGUF metadata and names are translated here, so that the
// architectures (src/models) and the text layer know one convention only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "mm_orch/export.h"
#include "weights/tensor.h"

namespace mm_orch::weights {

/// Where the tokenizer is. Exactly one of the members is set.
struct TokenizerFiles {
  std::filesystem::path directory;  // folder with tokenizer.json or vocab.json + merges.txt
  std::shared_ptr<const nlohmann::json> gguf;  // metadata keys "tokenizer.ggml.*", arrays included
};

class MM_ORCH_EXPORT ModelSource {
 public:
  virtual ~ModelSource() = default;

  /// The folder or .gguf file it came from.
  virtual const std::filesystem::path& path() const = 0;
  /// config.json's content, or its equivalent made from GGUF metadata.
  virtual const nlohmann::json& config() const = 0;
  /// generation_config.json's content (or its equivalent); null object `{}` if there is none.
  virtual const nlohmann::json& generation_config() const = 0;
  virtual const TokenizerFiles& tokenizer_files() const = 0;
  /// The chat template (Jinja), from chat_template.jinja, tokenizer_config.json or GGUF; none if
  /// absent.
  virtual std::optional<std::string> chat_template() const = 0;
  /// Names of special tokens for templates: {"bos_token": "<s>", "eos_token": "</s>", ...}.
  virtual const nlohmann::json& special_tokens() const = 0;

  /// The tensor under its transformers name ("model.layers.0.self_attn.q_proj.weight"); null if
  /// absent.
  virtual const Tensor* find(const std::string& name) const = 0;
  virtual std::vector<std::string> tensor_names() const = 0;

  /// Identifies the content: a hash (16 hex digits) over config, tensor names, types, shapes,
  /// file sizes and samples of the data. Equal for a copy, another for other weights.
  virtual std::string fingerprint() const = 0;
};

/// Opens a folder with config.json and weights (safetensors, sharded or single), or a .gguf file
/// (or a folder that holds exactly one).
/// @throws FileValidationError   damaged, truncated, contradictory, missing shard or config.
/// @throws ModelNotFoundError    nothing there.
MM_ORCH_EXPORT std::unique_ptr<ModelSource> open_model(const std::filesystem::path& path);

}  // namespace mm_orch::weights
