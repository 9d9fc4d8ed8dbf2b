// BERT (Devlin et al. 2019), MiniLM and other sentence encoders of its shape; with the
// classification head where the checkpoint is a BertForSequenceClassification.
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
using graph::kNone;
using graph::Side;
using graph::ValueId;

bool classifies(const ConfigReader& config) {
  const auto& architectures = config.value("architectures");
  return architectures.is_array() && !architectures.empty() &&
         architectures[0] == "BertForSequenceClassification";
}

// transformers' names where config.json gives none.
std::vector<std::string> labels(const ConfigReader& config) {
  const auto& names = config.value("id2label");
  if (names.is_null()) {
    std::vector<std::string> result;
    for (int64_t i = 0; i < config.size("num_labels", 2); ++i)
      result.push_back(fmt::format("LABEL_{}", i));
    return result;
  }
  std::vector<std::string> result(names.size());
  for (size_t i = 0; i < names.size(); ++i) {
    const auto name = names.is_object() ? names.find(std::to_string(i)) : names.end();
    if (name == names.end() || !name->is_string())
      throw FileValidationError(fmt::format(
          "config.json: id2label has no name for class {}; it needs one for each of 0 to {}", i,
          names.size() - 1));
    result[i] = name->get<std::string>();
  }
  return result;
}

graph::ModelInfo info(const nlohmann::json& json) {
  const ConfigReader config(json);
  graph::ModelInfo info;
  info.architecture = config.text("model_type", "");
  info.kind = graph::ModelKind::kEncoder;
  info.layers = config.size("num_hidden_layers");
  info.hidden_size = config.size("hidden_size");
  info.heads = config.size("num_attention_heads");
  info.kv_heads = info.heads;
  info.vocabulary_size = config.size("vocab_size");
  info.context_length = config.size("max_position_embeddings");
  info.head_size = config.size_of_part("hidden_size", "num_attention_heads");
  if (const auto kind = config.text("position_embedding_type", "absolute"); kind != "absolute")
    throw UnsupportedModelError(fmt::format(
        "config.json: position_embedding_type '{}' is not supported; supported: absolute", kind));
  if (classifies(config)) info.labels = labels(config);
  return info;
}

class Bert {
 public:
  explicit Bert(const weights::ModelSource& source)
      : source_(source),
        config_(source.config()),
        info_(info(source.config())),
        prefix_(source.find("bert.embeddings.word_embeddings.weight") ? "bert." : ""),
        epsilon_(static_cast<float>(config_.number("layer_norm_eps", 1e-12))),
        builder_(info_) {}

  graph::Graph build() {
    ValueId x = embeddings();
    for (int64_t layer = 0; layer < info_.layers; ++layer)
      x = block(fmt::format("encoder.layer.{}", layer), x);
    builder_.set_hidden(x);
    return builder_.finish_encoder(info_.labels.empty() ? kNone : class_logits(x));
  }

 private:
  ValueId embeddings() {
    const auto table = [&](const char* name, int64_t rows, ValueId ids) {
      const std::string full = fmt::format("embeddings.{}_embeddings", name);
      return builder_.embedding(full, ids, weight(full + ".weight", {rows, info_.hidden_size}));
    };
    const ValueId words = table("word", info_.vocabulary_size, builder_.token_ids(Side::kEncoder));
    const ValueId types =
        table("token_type", config_.size("type_vocab_size", 2), builder_.token_types());
    const ValueId positions =
        table("position", info_.context_length, builder_.positions(Side::kEncoder));
    return norm("embeddings.LayerNorm",
                builder_.add("embeddings.with_positions",
                             builder_.add("embeddings.with_types", words, types), positions));
  }

  ValueId block(const std::string& prefix, ValueId x) {
    const std::string self = prefix + ".attention.self";
    const int64_t hidden = info_.hidden_size;
    std::vector<weights::Tensor> matrices, biases;
    for (const auto* part : {".query", ".key", ".value"}) {
      matrices.push_back(tensor(self + part + ".weight", {hidden, hidden}));
      biases.push_back(tensor(self + part + ".bias", {hidden}));
    }
    const auto packed =
        builder_.linear(self + ".qkv", x, builder_.packed_weight(self + ".qkv.weight", matrices),
                        builder_.packed_weight(self + ".qkv.bias", biases));
    const auto qkv = builder_.split(self + ".split", packed, {hidden, hidden, hidden});
    const ValueId attended =
        builder_.encoder_attention(self, qkv[0], qkv[1], qkv[2],
                                   {.heads = info_.heads,
                                    .head_size = info_.head_size,
                                    .scale = static_cast<float>(1.0 / std::sqrt(info_.head_size))});
    x = residual(prefix + ".attention.output", x,
                 linear(prefix + ".attention.output.dense", attended, hidden, hidden));
    const int64_t inner = config_.size("intermediate_size");
    const ValueId up = linear(prefix + ".intermediate.dense", x, hidden, inner);
    const ValueId active =
        activation(builder_, prefix + ".intermediate.act", up, config_.text("hidden_act", "gelu"));
    return residual(prefix + ".output", x, linear(prefix + ".output.dense", active, inner, hidden));
  }

  // Of every token; the first one's counts.
  ValueId class_logits(ValueId x) {
    const ValueId pooled = builder_.tanh(
        "pooler.activation", linear("pooler.dense", x, info_.hidden_size, info_.hidden_size));
    const auto count = static_cast<int64_t>(info_.labels.size());
    const auto matrix = require_tensor(source_, "classifier.weight", {count, info_.hidden_size});
    const auto bias = require_tensor(source_, "classifier.bias", {count});
    return builder_.linear("classifier", pooled, builder_.weight(matrix), builder_.weight(bias));
  }

  ValueId residual(const std::string& prefix, ValueId x, ValueId change) {
    return norm(prefix + ".LayerNorm", builder_.add(prefix + ".residual", x, change));
  }

  ValueId linear(const std::string& name, ValueId x, int64_t in, int64_t out) {
    return builder_.linear(name, x, weight(name + ".weight", {out, in}),
                           weight(name + ".bias", {out}));
  }

  // Checkpoints converted from TensorFlow say gamma and beta.
  ValueId norm(const std::string& name, ValueId x) {
    const bool old = source_.find(prefix_ + name + ".gamma") != nullptr;
    const auto scale = weight(name + (old ? ".gamma" : ".weight"), {info_.hidden_size});
    const auto shift = weight(name + (old ? ".beta" : ".bias"), {info_.hidden_size});
    return builder_.layer_norm(name, x, {scale, shift, epsilon_});
  }

  weights::Tensor tensor(const std::string& name, const std::vector<int64_t>& shape) const {
    return require_tensor(source_, prefix_ + name, shape);
  }
  graph::WeightId weight(const std::string& name, const std::vector<int64_t>& shape) {
    return builder_.weight(tensor(name, shape));
  }

  const weights::ModelSource& source_;
  ConfigReader config_;
  graph::ModelInfo info_;
  std::string prefix_;  // of a checkpoint with a head
  float epsilon_;
  GraphBuilder builder_;
};

graph::Graph build(const weights::ModelSource& source) { return Bert(source).build(); }

}  // namespace

const Architecture& bert_architecture() {
  static const Architecture kArchitecture{{"bert"}, &info, &build};
  return kArchitecture;
}

}  // namespace mm_orch::models
