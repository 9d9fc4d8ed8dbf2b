// GPT-2 (gpt2, distilgpt2 and their larger sisters): learned positions, LayerNorm
// before each block, one packed matrix for Q, K and V.
// Source: Radford et al. 2019; transformers modeling_gpt2.
#include <fmt/format.h>

#include <cmath>

#include "graph/builder.h"
#include "models/activation.h"
#include "models/architecture.h"
#include "models/config_reader.h"
#include "models/tensor_access.h"

namespace mm_orch::models {
namespace {

using graph::GraphBuilder;
using graph::ValueId;

graph::ModelInfo info(const nlohmann::json& json) {
  const ConfigReader config(json);
  graph::ModelInfo info;
  info.architecture = config.text("model_type", "");
  info.layers = config.size("n_layer");
  info.hidden_size = config.size("n_embd");
  info.heads = config.size("n_head");
  info.kv_heads = info.heads;
  info.vocabulary_size = config.size("vocab_size");
  info.context_length = config.size("n_positions");
  info.head_size = config.size_of_part("n_embd", "n_head");
  return info;
}

class Gpt2 {
 public:
  explicit Gpt2(const weights::ModelSource& source)
      : source_(source),
        config_(source.config()),
        info_(info(source.config())),
        transposed_(config_.flag("conv1d_transposed", true)),
        epsilon_(static_cast<float>(config_.number("layer_norm_epsilon", 1e-5))),
        builder_(info_) {}

  graph::Graph build() {
    const int64_t hidden = info_.hidden_size;
    const auto table = builder_.weight(
        require_tensor(source_, "transformer.wte.weight", {info_.vocabulary_size, hidden}));
    const auto position_table = builder_.weight(
        require_tensor(source_, "transformer.wpe.weight", {info_.context_length, hidden}));
    const ValueId tokens = builder_.embedding("transformer.wte", builder_.token_ids(), table);
    const ValueId places =
        builder_.embedding("transformer.wpe", builder_.positions(), position_table);
    ValueId x = builder_.add("transformer.embedding", tokens, places);
    for (int64_t layer = 0; layer < info_.layers; ++layer) x = block(x, layer);
    x = norm("transformer.ln_f", x);
    const auto head = config_.flag("tie_word_embeddings", true)
                          ? table
                          : builder_.weight(require_tensor(source_, "lm_head.weight",
                                                           {info_.vocabulary_size, hidden}));
    return builder_.finish("lm_head", x, head);
  }

 private:
  ValueId block(ValueId x, int64_t layer) {
    const std::string prefix = fmt::format("transformer.h.{}", layer);
    x = builder_.add(prefix + ".attn_residual", x,
                     attention(prefix, norm(prefix + ".ln_1", x), layer));
    return builder_.add(prefix + ".mlp_residual", x,
                        mlp(prefix + ".mlp", norm(prefix + ".ln_2", x)));
  }

  ValueId attention(const std::string& prefix, ValueId x, int64_t layer) {
    const int64_t hidden = info_.hidden_size;
    const auto qkv = builder_.split(prefix + ".attn.split",
                                    linear(prefix + ".attn.c_attn", x, hidden, 3 * hidden),
                                    {hidden, hidden, hidden});
    double scale = 1.0;
    if (config_.flag("scale_attn_weights", true)) scale /= std::sqrt(info_.head_size);
    if (config_.flag("scale_attn_by_inverse_layer_idx", false))
      scale /= static_cast<double>(layer + 1);
    const ValueId attended = builder_.attention(prefix + ".attn", qkv[0], qkv[1], qkv[2],
                                                {.layer = static_cast<int32_t>(layer),
                                                 .heads = info_.heads,
                                                 .kv_heads = info_.kv_heads,
                                                 .head_size = info_.head_size,
                                                 .scale = static_cast<float>(scale)});
    return linear(prefix + ".attn.c_proj", attended, hidden, hidden);
  }

  ValueId mlp(const std::string& prefix, ValueId x) {
    const int64_t inner = config_.size("n_inner", 4 * info_.hidden_size);
    const ValueId up = linear(prefix + ".c_fc", x, info_.hidden_size, inner);
    const ValueId active =
        activation(builder_, prefix + ".act", up, config_.text("activation_function", "gelu_new"));
    return linear(prefix + ".c_proj", active, inner, info_.hidden_size);
  }

  ValueId linear(const std::string& name, ValueId x, int64_t in, int64_t out) {
    const std::vector<int64_t> shape =
        transposed_ ? std::vector<int64_t>{in, out} : std::vector<int64_t>{out, in};
    const auto weight =
        builder_.weight(require_tensor(source_, name + ".weight", shape), transposed_);
    return builder_.linear(name, x, weight,
                           builder_.weight(require_tensor(source_, name + ".bias", {out})));
  }

  ValueId norm(const std::string& name, ValueId x) {
    const int64_t hidden = info_.hidden_size;
    const auto weight = builder_.weight(require_tensor(source_, name + ".weight", {hidden}));
    const auto bias = builder_.weight(require_tensor(source_, name + ".bias", {hidden}));
    return builder_.layer_norm(name, x, {weight, bias, epsilon_});
  }

  const weights::ModelSource& source_;
  ConfigReader config_;
  graph::ModelInfo info_;
  bool transposed_;  // weights as [in, out], transformers' Conv1D
  float epsilon_;
  GraphBuilder builder_;
};

graph::Graph build(const weights::ModelSource& source) { return Gpt2(source).build(); }

}  // namespace

const Architecture& gpt2_architecture() {
  static const Architecture kArchitecture{{"gpt2"}, &info, &build};
  return kArchitecture;
}

}  // namespace mm_orch::models
