// The Llama family (Llama 1 to 3, TinyLlama, SmolLM2, Mistral, Qwen2): RMSNorm, rotary positions,
// grouped-query attention, gated MLP. Q, K and V are one matrix, gate and up another.
// Source: Touvron et al. 2023; Jiang et al. 2023; transformers modeling_llama, _mistral, _qwen2.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "graph/builder.h"
#include "mm_orch/errors.h"
#include "models/activation.h"
#include "models/architecture.h"
#include "models/config_reader.h"
#include "models/rope_frequencies.h"
#include "models/tensor_access.h"

namespace mm_orch::models {
namespace {

using graph::GraphBuilder;
using graph::kNone;
using graph::ValueId;
using graph::WeightId;

// Mistral's window holds for all layers; Qwen2's is off by default and starts at a layer.
std::vector<int64_t> windows(const ConfigReader& config, const graph::ModelInfo& info) {
  const bool qwen2 = info.architecture == "qwen2" && config.flag("use_sliding_window", false);
  if (info.architecture != "mistral" && !qwen2) return {};
  const int64_t first = qwen2 ? config.size("max_window_layers", 28) : 0;
  const int64_t window = config.size("sliding_window", qwen2 ? 4096 : 0);
  if (window == 0 || first >= info.layers) return {};
  std::vector<int64_t> windows(static_cast<size_t>(info.layers), 0);
  std::fill(windows.begin() + first, windows.end(), window);
  return windows;
}

graph::ModelInfo info(const nlohmann::json& json) {
  const ConfigReader config(json);
  graph::ModelInfo info;
  info.architecture = config.text("model_type", "");
  info.layers = config.size("num_hidden_layers");
  info.hidden_size = config.size("hidden_size");
  info.heads = config.size("num_attention_heads");
  info.kv_heads = config.size("num_key_value_heads", info.heads);
  info.vocabulary_size = config.size("vocab_size");
  info.context_length = config.size("max_position_embeddings");
  info.head_size = config.value("head_dim").is_null()
                       ? config.size_of_part("hidden_size", "num_attention_heads")
                       : config.size("head_dim");
  if (info.heads % info.kv_heads != 0 || info.head_size % 2 != 0)
    throw FileValidationError(fmt::format(
        "config.json: num_attention_heads {} must be a multiple of num_key_value_heads {}, and the "
        "head size {} even",
        info.heads, info.kv_heads, info.head_size));
  info.windows = windows(config, info);
  return info;
}

class Llama {
 public:
  explicit Llama(const weights::ModelSource& source)
      : source_(source),
        config_(source.config()),
        info_(info(source.config())),
        epsilon_(static_cast<float>(config_.number("rms_norm_eps", 1e-6))),
        rope_(rope_from_config(source, info_.head_size)),
        builder_(info_) {
    if (config_.number("partial_rotary_factor", 1.0) != 1.0)
      throw UnsupportedModelError(
          "config.json: partial_rotary_factor other than 1 is not supported",
          {.path = source.path().string()});
    const bool is_qwen2 = info_.architecture == "qwen2";
    qkv_bias_ = is_qwen2 || config_.flag("attention_bias", false);
    output_bias_ = !is_qwen2 && config_.flag("attention_bias", false);
    mlp_bias_ = config_.flag("mlp_bias", false);
    activation_ = config_.text("hidden_act", "silu");
  }

  graph::Graph build() {
    const int64_t hidden = info_.hidden_size;
    const WeightId table = builder_.weight(
        require_tensor(source_, "model.embed_tokens.weight", {info_.vocabulary_size, hidden}));
    positions_ = builder_.positions();
    ValueId x = builder_.embedding("model.embed_tokens", builder_.token_ids(), table);
    for (int64_t layer = 0; layer < info_.layers; ++layer) x = block(x, layer);
    x = norm("model.norm", x);
    const WeightId head = config_.flag("tie_word_embeddings", false)
                              ? table
                              : builder_.weight(require_tensor(source_, "lm_head.weight",
                                                               {info_.vocabulary_size, hidden}));
    return builder_.finish("lm_head", x, head);
  }

 private:
  ValueId block(ValueId x, int64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}", layer);
    const ValueId attended =
        attention(prefix + ".self_attn", norm(prefix + ".input_layernorm", x), layer);
    x = builder_.add(prefix + ".attention_residual", x, attended);
    const ValueId mixed = mlp(prefix + ".mlp", norm(prefix + ".post_attention_layernorm", x));
    return builder_.add(prefix + ".mlp_residual", x, mixed);
  }

  ValueId attention(const std::string& prefix, ValueId x, int64_t layer) {
    const int64_t q_size = info_.heads * info_.head_size;
    const int64_t kv_size = info_.kv_heads * info_.head_size;
    const ValueId packed = packed_linear(prefix + ".qkv_proj", x,
                                         {{prefix + ".q_proj", q_size},
                                          {prefix + ".k_proj", kv_size},
                                          {prefix + ".v_proj", kv_size}},
                                         qkv_bias_);
    const auto qkv = builder_.split(prefix + ".split", packed, {q_size, kv_size, kv_size});
    const ValueId q = builder_.rope(prefix + ".q_rope", qkv[0], positions_, rope_);
    const ValueId k = builder_.rope(prefix + ".k_rope", qkv[1], positions_, rope_);
    const ValueId attended = builder_.attention(
        prefix, q, k, qkv[2],
        {.layer = static_cast<int32_t>(layer),
         .heads = info_.heads,
         .kv_heads = info_.kv_heads,
         .head_size = info_.head_size,
         .scale = static_cast<float>(1.0 / std::sqrt(info_.head_size)),
         .window = info_.windows.empty() ? 0 : info_.windows[static_cast<size_t>(layer)]});
    return packed_linear(prefix + ".o_proj", attended, {{prefix + ".o_proj", info_.hidden_size}},
                         output_bias_);
  }

  ValueId mlp(const std::string& prefix, ValueId x) {
    const int64_t inner = config_.size("intermediate_size");
    const ValueId packed =
        packed_linear(prefix + ".gate_up_proj", x,
                      {{prefix + ".gate_proj", inner}, {prefix + ".up_proj", inner}}, mlp_bias_);
    const auto gate_up = builder_.split(prefix + ".split", packed, {inner, inner});
    const ValueId gate = activation(builder_, prefix + ".act", gate_up[0], activation_);
    const ValueId product = builder_.multiply(prefix + ".product", gate, gate_up[1]);
    return packed_linear(prefix + ".down_proj", product,
                         {{prefix + ".down_proj", info_.hidden_size}}, mlp_bias_);
  }

  struct Part {
    std::string name;
    int64_t out;
  };

  ValueId packed_linear(const std::string& name, ValueId x, const std::vector<Part>& parts,
                        bool with_bias) {
    const int64_t in = input_size(parts.front().name);
    std::vector<weights::Tensor> matrices, biases;
    for (const Part& part : parts) {
      matrices.push_back(require_tensor(source_, part.name + ".weight", {part.out, in}));
      if (with_bias) biases.push_back(require_tensor(source_, part.name + ".bias", {part.out}));
    }
    const WeightId weight = builder_.packed_weight(name + ".weight", std::move(matrices));
    const WeightId bias =
        with_bias ? builder_.packed_weight(name + ".bias", std::move(biases)) : kNone;
    return builder_.linear(name, x, weight, bias);
  }

  int64_t input_size(const std::string& name) const {
    if (name.ends_with("o_proj")) return info_.heads * info_.head_size;
    if (name.ends_with("down_proj")) return config_.size("intermediate_size");
    return info_.hidden_size;
  }

  ValueId norm(const std::string& name, ValueId x) {
    const auto weight =
        builder_.weight(require_tensor(source_, name + ".weight", {info_.hidden_size}));
    return builder_.rms_norm(name, x, {weight, epsilon_});
  }

  const weights::ModelSource& source_;
  ConfigReader config_;
  graph::ModelInfo info_;
  float epsilon_;
  graph::Rope rope_;
  GraphBuilder builder_;
  ValueId positions_ = kNone;
  bool qkv_bias_ = false;
  bool output_bias_ = false;
  bool mlp_bias_ = false;
  std::string activation_;
};

graph::Graph build(const weights::ModelSource& source) { return Llama(source).build(); }

}  // namespace

const Architecture& llama_architecture() {
  static const Architecture kArchitecture{{"llama", "mistral", "qwen2"}, &info, &build};
  return kArchitecture;
}

}  // namespace mm_orch::models
