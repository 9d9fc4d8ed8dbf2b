// T5 (Raffel et al. 2020) and T5 v1.1, Flan-T5: an encoder and a decoder that attends to
// its output; positions come in as a bias by distance, shared by all layers of a side.
#include <fmt/format.h>

#include <cmath>

#include "graph/builder.h"
#include "mm_orch/errors.h"
#include "models/activation.h"
#include "models/architecture.h"
#include "models/config_reader.h"
#include "models/tensor_access.h"

namespace mm_orch::models {
namespace {

using graph::GraphBuilder;
using graph::Side;
using graph::ValueId;
using graph::WeightId;

graph::ModelInfo info(const nlohmann::json& json) {
  const ConfigReader config(json);
  graph::ModelInfo info;
  info.architecture = config.text("model_type", "");
  info.kind = graph::ModelKind::kEncoderDecoder;
  info.layers = config.size("num_decoder_layers", config.size("num_layers"));
  info.hidden_size = config.size("d_model");
  info.heads = config.size("num_heads");
  info.kv_heads = info.heads;
  info.head_size = config.size("d_kv");
  info.vocabulary_size = config.size("vocab_size");
  const auto start = config.value("decoder_start_token_id");
  info.decoder_start_token = start.is_number_integer()
                                 ? start.get<int64_t>()
                                 : static_cast<int64_t>(config.number("pad_token_id", 0));
  if (info.decoder_start_token < 0 || info.decoder_start_token >= info.vocabulary_size)
    throw FileValidationError(
        fmt::format("config.json: decoder_start_token_id {} is outside the vocabulary of {}",
                    info.decoder_start_token, info.vocabulary_size));
  return info;
}

class T5 {
 public:
  explicit T5(const weights::ModelSource& source)
      : source_(source),
        config_(source.config()),
        info_(info(source.config())),
        inner_(info_.heads * info_.head_size),
        epsilon_(static_cast<float>(config_.number("layer_norm_epsilon", 1e-6))),
        builder_(info_) {
    activation_ = config_.text("feed_forward_proj", "relu");
    gated_ = activation_.starts_with("gated-");
    if (gated_) activation_ = activation_.substr(6);
    if (gated_ && activation_ == "gelu") activation_ = "gelu_new";  // as T5 v1.1 was trained
  }

  graph::Graph build() {
    const WeightId table = builder_.weight(embedding_table());
    const ValueId source = encode(table);
    builder_.set_hidden(source);
    ValueId x = builder_.embedding("decoder.embed_tokens", builder_.token_ids(), table);
    const auto relative = relative_position("decoder");
    for (int64_t layer = 0; layer < info_.layers; ++layer)
      x = decoder_block(x, source, layer, relative);
    x = norm("decoder.final_layer_norm", x);
    // v1.1 has a head of its own and does not scale; its configuration says so in one of two ways.
    const bool scaled =
        config_.flag("scale_decoder_outputs", config_.flag("tie_word_embeddings", true));
    if (scaled)
      x = builder_.scale("decoder.output_scale", x,
                         static_cast<float>(1.0 / std::sqrt(info_.hidden_size)));
    const WeightId head =
        source_.find("lm_head.weight")
            ? builder_.weight(require_tensor(source_, "lm_head.weight",
                                             {info_.vocabulary_size, info_.hidden_size}))
            : table;
    return builder_.finish("lm_head", x, head);
  }

 private:
  // The one table has up to four names, of which a file may hold any.
  weights::Tensor embedding_table() const {
    const std::vector<int64_t> shape = {info_.vocabulary_size, info_.hidden_size};
    for (const auto* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
      if (!source_.find("shared.weight") && source_.find(name))
        return require_tensor(source_, name, shape);
    return require_tensor(source_, "shared.weight", shape);
  }

  ValueId encode(WeightId table) {
    ValueId x =
        builder_.embedding("encoder.embed_tokens", builder_.token_ids(Side::kEncoder), table);
    const auto relative = relative_position("encoder");
    for (int64_t layer = 0; layer < config_.size("num_layers"); ++layer) {
      const std::string prefix = fmt::format("encoder.block.{}", layer);
      const auto [q, k, v] =
          packed_heads(prefix + ".layer.0.SelfAttention", norm(prefix + ".layer.0.layer_norm", x));
      const ValueId attended = builder_.encoder_attention(
          prefix + ".layer.0.SelfAttention", q, k, v,
          {.heads = info_.heads, .head_size = info_.head_size, .scale = 1, .relative = relative});
      x = output(prefix + ".layer.0.SelfAttention", attended, x);
      x = feed_forward(prefix + ".layer.1", x);
    }
    return norm("encoder.final_layer_norm", x);
  }

  ValueId decoder_block(ValueId x, ValueId source, int64_t layer,
                        const graph::RelativePosition& relative) {
    const std::string prefix = fmt::format("decoder.block.{}", layer);
    const std::string self = prefix + ".layer.0.SelfAttention";
    const auto [q, k, v] = packed_heads(self, norm(prefix + ".layer.0.layer_norm", x));
    const ValueId attended = builder_.attention(self, q, k, v,
                                                {.layer = static_cast<int32_t>(layer),
                                                 .heads = info_.heads,
                                                 .kv_heads = info_.heads,
                                                 .head_size = info_.head_size,
                                                 .scale = 1,
                                                 .relative = relative});
    x = output(self, attended, x);

    const std::string cross = prefix + ".layer.1.EncDecAttention";
    const ValueId query =
        project(cross + ".q", norm(prefix + ".layer.1.layer_norm", x), info_.hidden_size, inner_);
    const ValueId seen = builder_.cross_attention(
        cross, query, project(cross + ".k", source, info_.hidden_size, inner_),
        project(cross + ".v", source, info_.hidden_size, inner_),
        {.layer = static_cast<int32_t>(layer),
         .heads = info_.heads,
         .head_size = info_.head_size,
         .scale = 1});
    return feed_forward(prefix + ".layer.2", output(cross, seen, x));
  }

  struct Heads {
    ValueId q, k, v;
  };
  Heads packed_heads(const std::string& prefix, ValueId x) {
    std::vector<weights::Tensor> parts;
    for (const auto* part : {".q.weight", ".k.weight", ".v.weight"})
      parts.push_back(require_tensor(source_, prefix + part, {inner_, info_.hidden_size}));
    const WeightId weight = builder_.packed_weight(prefix + ".qkv.weight", std::move(parts));
    const auto qkv = builder_.split(prefix + ".split", builder_.linear(prefix + ".qkv", x, weight),
                                    {inner_, inner_, inner_});
    return {qkv[0], qkv[1], qkv[2]};
  }

  ValueId output(const std::string& prefix, ValueId attended, ValueId residual) {
    return builder_.add(prefix + ".residual", residual,
                        project(prefix + ".o", attended, inner_, info_.hidden_size));
  }

  ValueId feed_forward(const std::string& prefix, ValueId x) {
    const std::string dense = prefix + ".DenseReluDense";
    const int64_t width = config_.size("d_ff");
    const int64_t hidden = info_.hidden_size;
    const ValueId normed = norm(prefix + ".layer_norm", x);
    ValueId active;
    if (gated_) {
      const auto weight = builder_.packed_weight(
          dense + ".wi.weight", {require_tensor(source_, dense + ".wi_0.weight", {width, hidden}),
                                 require_tensor(source_, dense + ".wi_1.weight", {width, hidden})});
      const auto parts = builder_.split(
          dense + ".split", builder_.linear(dense + ".wi", normed, weight), {width, width});
      active =
          builder_.multiply(dense + ".product",
                            activation(builder_, dense + ".act", parts[0], activation_), parts[1]);
    } else {
      active = activation(builder_, dense + ".act", project(dense + ".wi", normed, hidden, width),
                          activation_);
    }
    return builder_.add(dense + ".residual", x, project(dense + ".wo", active, width, hidden));
  }

  ValueId project(const std::string& name, ValueId x, int64_t in, int64_t out) {
    return builder_.linear(name, x,
                           builder_.weight(require_tensor(source_, name + ".weight", {out, in})));
  }

  ValueId norm(const std::string& name, ValueId x) {
    const auto weight =
        builder_.weight(require_tensor(source_, name + ".weight", {info_.hidden_size}));
    return builder_.rms_norm(name, x, {weight, epsilon_});
  }

  graph::RelativePosition relative_position(const std::string& side) {
    const auto table = require_tensor(
        source_, side + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        {config_.size("relative_attention_num_buckets", 32), info_.heads});
    return {.table = builder_.weight(table),
            .max_distance = config_.size("relative_attention_max_distance", 128)};
  }

  const weights::ModelSource& source_;
  ConfigReader config_;
  graph::ModelInfo info_;
  int64_t inner_;  // width of all heads
  float epsilon_;
  GraphBuilder builder_;
  std::string activation_;
  bool gated_ = false;
};

graph::Graph build(const weights::ModelSource& source) { return T5(source).build(); }

}  // namespace

const Architecture& t5_architecture() {
  static const Architecture kArchitecture{{"t5"}, &info, &build};
  return kArchitecture;
}

}  // namespace mm_orch::models
