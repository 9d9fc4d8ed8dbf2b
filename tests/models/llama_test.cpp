#include <gtest/gtest.h>

#include <algorithm>

#include "mm_orch/errors.h"
#include "models/registry.h"
#include "support/random_models.h"

namespace mm_orch::models {
namespace {

template <class Op>
std::vector<Op> operations(const graph::Graph& graph) {
  std::vector<Op> found;
  for (const auto& node : graph.nodes)
    if (const auto* op = std::get_if<Op>(&node.op)) found.push_back(*op);
  return found;
}

TEST(Llama, PacksQueryKeyValueAndGateUp) {
  const auto graph = build_graph(testing::random_llama());
  // Per layer: qkv, o, gate-up, down; then the head.
  EXPECT_EQ(operations<graph::Linear>(graph).size(), 2 * 4 + 1u);
  const auto packed = std::ranges::find(graph.weights, "model.layers.0.self_attn.qkv_proj.weight",
                                        &graph::Weight::name);
  ASSERT_NE(packed, graph.weights.end());
  EXPECT_EQ(packed->shape, (std::vector<int64_t>{32 + 16 + 16, 32}));
}

TEST(Llama, SharesTheTiedTable) {
  const auto tied = build_graph(testing::random_llama());
  EXPECT_EQ(operations<graph::Embedding>(tied)[0].weight,
            operations<graph::Linear>(tied).back().weight);
  const auto untied = build_graph(testing::random_llama({{"tie_word_embeddings", false}}));
  EXPECT_NE(operations<graph::Embedding>(untied)[0].weight,
            operations<graph::Linear>(untied).back().weight);
}

TEST(Llama, TakesBiasesWhereTheFamilyHasThem) {
  const auto biases = [](const graph::Graph& graph) {
    return std::ranges::count_if(operations<graph::Linear>(graph),
                                 [](const auto& op) { return op.bias != graph::kNone; });
  };
  EXPECT_EQ(biases(build_graph(testing::random_llama())), 0);
  EXPECT_EQ(biases(build_graph(testing::random_llama({{"attention_bias", true}}))), 2 * 2);
  EXPECT_EQ(biases(build_graph(testing::random_llama({{"mlp_bias", true}}))), 2 * 2);
  EXPECT_EQ(biases(build_graph(testing::random_llama({{"model_type", "qwen2"}}))), 2 * 1);
}

TEST(Llama, SlidesTheWindowAsTheFamilyDoes) {
  const auto windows = [](const nlohmann::json& overrides) {
    std::vector<int64_t> found;
    for (const auto& op :
         operations<graph::Attention>(build_graph(testing::random_llama(overrides))))
      found.push_back(op.window);
    return found;
  };
  EXPECT_EQ(windows({{"model_type", "mistral"}, {"sliding_window", 8}}),
            (std::vector<int64_t>{8, 8}));
  EXPECT_EQ(windows({{"model_type", "mistral"}, {"sliding_window", nullptr}}),
            (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(windows({{"model_type", "qwen2"}, {"sliding_window", 8}}),
            (std::vector<int64_t>{0, 0}));
  EXPECT_EQ(windows({{"model_type", "qwen2"},
                     {"use_sliding_window", true},
                     {"max_window_layers", 1},
                     {"sliding_window", 8}}),
            (std::vector<int64_t>{0, 8}));
}

TEST(Llama, RefusesWhatItLacksByName) {
  EXPECT_THROW(build_graph(testing::random_llama({{"hidden_act", "quick_gelu"}})),
               UnsupportedModelError);
  EXPECT_THROW(build_graph(testing::random_llama({{"partial_rotary_factor", 0.5}})),
               UnsupportedModelError);
  EXPECT_THROW(build_graph(testing::random_llama({{"rope_scaling", {{"rope_type", "longrope"}}}})),
               UnsupportedModelError);
}

}  // namespace
}  // namespace mm_orch::models
