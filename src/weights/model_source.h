// A model as it lies on disk, whatever the format, seen through Hugging Face's
// conventions: a config.json, tensors under transformers' names, generation
// defaults, a tokenizer. GGUF metadata and names are translated here, so that the
// architectures (src/models) and the text layer know one convention only.
//
// What a GGUF's config() has beyond config.json:
// - "conv1d_transposed": false (gpt2): its linear weights are [out, in]. In safetensors
//   they are transformers' Conv1D, [in, out], and the key is absent.
// - llama3's rope scaling is no "rope_scaling" but the tensor "rope_freqs.weight" [D/2], by
//   which the inverse frequencies are to be divided.
// - "model_type" of an architecture unknown here is GGUF's own name, with no other keys.
// Rows of Llama's Q and K are permuted in GGUF; Tensor::interleaved_head_size says so and
// read_f32 undoes it.
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
  std::filesystem::path directory;             // folder with tokenizer.json or the like
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

/// A folder's config.json, tokenizer and templates alone, for an exported model whose weights are
/// elsewhere; it has no tensors.
/// @throws FileValidationError   damaged, or no config.json.
/// @throws ModelNotFoundError    nothing there.
MM_ORCH_EXPORT std::unique_ptr<ModelSource> open_description(const std::filesystem::path& path);

}  // namespace mm_orch::weights
