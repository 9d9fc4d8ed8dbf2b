#include "conformance/cases.h"

#include <cmath>

#include "support/random_graph.h"

namespace mm_orch::testing {
namespace {

using graph::GraphBuilder;
using graph::kNone;
using graph::ValueId;

constexpr int64_t kVocabulary = 50;
constexpr int64_t kHidden = 48;
constexpr int64_t kHead = 16;

// Embedding → the operation under test → vocabulary projection.
using Body = std::function<ValueId(GraphBuilder&, RandomTensors&, ValueId x)>;

std::function<graph::Graph()> around(Body body, int64_t hidden_after = kHidden,
                                     int64_t layers = 1) {
  return [=] {
    RandomTensors random(7);
    GraphBuilder builder({.architecture = "test",
                          .layers = layers,
                          .hidden_size = kHidden,
                          .heads = 3,
                          .kv_heads = 1,
                          .head_size = kHead,
                          .vocabulary_size = kVocabulary,
                          .context_length = 64});
    const auto table = builder.weight(random.make("table", {kVocabulary, kHidden}));
    ValueId x = builder.embedding("embedding", builder.token_ids(), table);
    x = body(builder, random, x);
    return builder.finish("head", x,
                          builder.weight(random.matrix("head", kVocabulary, hidden_after)));
  };
}

ValueId linear(GraphBuilder& builder, RandomTensors& random, const std::string& name, ValueId x,
               int64_t in, int64_t out) {
  return builder.linear(name, x, builder.weight(random.matrix(name + ".weight", out, in)));
}

ValueId attention(GraphBuilder& builder, RandomTensors& random, ValueId x, int32_t layer,
                  int64_t heads, int64_t kv_heads, int64_t window, bool rope) {
  const std::string prefix = "layer" + std::to_string(layer);
  ValueId q = linear(builder, random, prefix + ".q", x, kHidden, heads * kHead);
  ValueId k = linear(builder, random, prefix + ".k", x, kHidden, kv_heads * kHead);
  const ValueId v = linear(builder, random, prefix + ".v", x, kHidden, kv_heads * kHead);
  if (rope) {
    graph::Rope op{.head_size = kHead, .inverse_frequencies = {}, .attention_factor = 1.0f};
    for (int i = 0; i < kHead / 2; ++i)
      op.inverse_frequencies.push_back(std::pow(100.0f, -2.0f * static_cast<float>(i) / kHead));
    const ValueId positions = builder.positions();
    q = builder.rope(prefix + ".q_rope", q, positions, op);
    k = builder.rope(prefix + ".k_rope", k, positions, op);
  }
  const ValueId attended = builder.attention(prefix, q, k, v,
                                             {.layer = layer,
                                              .heads = heads,
                                              .kv_heads = kv_heads,
                                              .head_size = kHead,
                                              .scale = 0.25f,
                                              .window = window});
  return linear(builder, random, prefix + ".o", attended, heads * kHead, kHidden);
}

Body attention_body(int64_t heads, int64_t kv_heads, int64_t window, bool rope) {
  return [=](GraphBuilder& builder, RandomTensors& random, ValueId x) {
    return attention(builder, random, x, 0, heads, kv_heads, window, rope);
  };
}

// 12 tokens reach beyond the largest distance.
graph::RelativePosition relative(GraphBuilder& builder, RandomTensors& random,
                                 const std::string& name, int64_t heads) {
  return {.table = builder.weight(random.make(name, {8, heads}, 2.0f)), .max_distance = 9};
}

ValueId relative_attention(GraphBuilder& builder, RandomTensors& random, ValueId x) {
  const auto project = [&](const std::string& name) {
    return linear(builder, random, name, x, kHidden, 3 * kHead);
  };
  return builder.attention("attention", project("q"), project("k"), project("v"),
                           {.layer = 0,
                            .heads = 3,
                            .kv_heads = 3,
                            .head_size = kHead,
                            .scale = 0.25f,
                            .relative = relative(builder, random, "bias", 3)});
}

ValueId rope_only(GraphBuilder& builder, RandomTensors&, ValueId x) {
  graph::Rope op{.head_size = kHead, .inverse_frequencies = {}, .attention_factor = 1.25f};
  for (int i = 0; i < kHead / 2; ++i)
    op.inverse_frequencies.push_back(1.0f / static_cast<float>(1 + i * i));
  return builder.rope("rope", x, builder.positions(), op);
}

ValueId two_layers(GraphBuilder& builder, RandomTensors& random, ValueId x) {
  const ValueId first = attention(builder, random, x, 0, 3, 1, 0, false);
  x = builder.add("residual", x, first);
  const ValueId second = attention(builder, random, x, 1, 3, 3, 4, false);
  return builder.add("residual2", x, second);
}

ValueId packed_split(GraphBuilder& builder, RandomTensors& random, ValueId x) {
  const auto weight = builder.packed_weight(
      "packed", {random.matrix("a", 48, kHidden), random.matrix("b", 16, kHidden)});
  const auto bias = builder.packed_weight(
      "packed.bias", {random.make("a.bias", {48}), random.make("b.bias", {16})});
  return builder.split("split", builder.linear("packed", x, weight, bias), {48, 16})[0];
}

ValueId transposed(GraphBuilder& builder, RandomTensors& random, ValueId x) {
  const auto weight = builder.weight(random.make("conv1d", {kHidden, 80}, 0.2f), true);
  return builder.linear("conv1d", x, weight, builder.weight(random.make("conv1d.bias", {80})));
}

ValueId positions_embedding(GraphBuilder& builder, RandomTensors& random, ValueId x) {
  const auto table = builder.weight(random.make("positions", {64, kHidden}));
  return builder.add("sum", x, builder.embedding("wpe", builder.positions(), table));
}

}  // namespace

std::vector<ConformanceCase> conformance_cases() {
  std::vector<ConformanceCase> cases;
  const auto add = [&](const std::string& name, Body body, double tolerance,
                       int64_t hidden_after = kHidden, int64_t layers = 1) -> ConformanceCase& {
    return cases.emplace_back(
        ConformanceCase{name, around(std::move(body), hidden_after, layers), tolerance});
  };
  add(
      "EmbeddingAndHead", [](GraphBuilder&, RandomTensors&, ValueId x) { return x; }, 2e-6);
  add("PositionEmbedding", positions_embedding, 2e-6).padding = {0, 3};
  add("LinearPackedWithBiasAndSplit", packed_split, 2e-6);
  add("LinearTransposedWithBias", transposed, 2e-6, 80);
  add(
      "LayerNorm",
      [](GraphBuilder& builder, RandomTensors& random, ValueId x) {
        const auto weight = builder.weight(random.scale("norm", kHidden));
        const auto bias = builder.weight(random.make("norm.bias", {kHidden}));
        return builder.layer_norm("norm", x, {weight, bias, 1e-3f});
      },
      3e-6);
  add(
      "LayerNormWithoutBias",
      [](GraphBuilder& builder, RandomTensors& random, ValueId x) {
        return builder.layer_norm("norm", x,
                                  {builder.weight(random.scale("norm", kHidden)), kNone, 1e-5f});
      },
      3e-6);
  add(
      "RmsNorm",
      [](GraphBuilder& builder, RandomTensors& random, ValueId x) {
        return builder.rms_norm("norm", x, {builder.weight(random.scale("norm", kHidden)), 1e-2f});
      },
      3e-6);
  add(
      "Silu", [](GraphBuilder& b, RandomTensors&, ValueId x) { return b.silu("silu", x); }, 3e-6);
  add(
      "GeluErf",
      [](GraphBuilder& b, RandomTensors&, ValueId x) { return b.gelu("gelu", x, {false}); }, 3e-6);
  add(
      "GeluTanh",
      [](GraphBuilder& b, RandomTensors&, ValueId x) { return b.gelu("gelu", x, {true}); }, 3e-6);
  add(
      "ReluTanhScale",
      [](GraphBuilder& b, RandomTensors&, ValueId x) {
        return b.add("add", b.scale("scale", b.relu("relu", x), 0.7f), b.tanh("tanh", x));
      },
      3e-6);
  add(
      "AddMultiply",
      [](GraphBuilder& b, RandomTensors&, ValueId x) {
        return b.multiply("multiply", b.add("add", x, x), x);
      },
      3e-6);
  add("Rope", rope_only, 3e-6).padding = {2, 0};
  add("AttentionOneSequence", attention_body(3, 3, 0, false), 5e-6).batch = 1;
  add("AttentionMultiHead", attention_body(3, 3, 0, false), 5e-6);
  add("AttentionMultiHeadPadded", attention_body(3, 3, 0, false), 5e-6).padding = {0, 4};
  add("AttentionGrouped", attention_body(6, 2, 0, false), 5e-6);
  add("AttentionMultiQuery", attention_body(4, 1, 0, true), 5e-6).padding = {1, 0};
  add("AttentionWindow", attention_body(3, 1, 3, false), 5e-6).chunks = {9, 1, 4, 1};
  add("AttentionWindowPadded", attention_body(3, 1, 3, true), 5e-6).padding = {0, 2};
  add("AttentionTwoLayers", two_layers, 5e-6, kHidden, 2).chunks = {5, 5, 1, 1, 1};
  add("AttentionRelative", relative_attention, 5e-6).chunks = {9, 1, 6, 1};
  add("AttentionRelativeStepwise", relative_attention, 5e-6).chunks = {1, 1, 1, 1, 1, 1, 1, 1, 1};
  add("AttentionRopeChunked", attention_body(3, 1, 0, true), 5e-6).chunks = {1, 2, 11, 1};
  return cases;
}

}  // namespace mm_orch::testing
