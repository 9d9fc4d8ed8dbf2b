#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "models/registry.h"
#include "support/random_models.h"

namespace mm_orch::models {
namespace {

TEST(Gpt2, ReadsConv1dWeightsTransposed) {
  const auto graph = build_graph(testing::random_gpt2());
  const auto weight =
      std::ranges::find(graph.weights, "transformer.h.1.attn.c_attn.weight", &graph::Weight::name);
  ASSERT_NE(weight, graph.weights.end());
  EXPECT_TRUE(weight->transposed);
  EXPECT_EQ(weight->shape, (std::vector<int64_t>{96, 32}));
}

TEST(Gpt2, ScalesAttentionByTheLayerWhereAsked) {
  const auto graph = build_graph(testing::random_gpt2({{"scale_attn_by_inverse_layer_idx", true}}));
  std::vector<float> scales;
  for (const auto& node : graph.nodes)
    if (const auto* op = std::get_if<graph::Attention>(&node.op)) scales.push_back(op->scale);
  ASSERT_EQ(scales.size(), 2u);
  EXPECT_FLOAT_EQ(scales[0], 1.0f / std::sqrt(8.0f));
  EXPECT_FLOAT_EQ(scales[1], scales[0] / 2);
}

TEST(Gpt2, KnowsItsContext) {
  const auto info = build_graph(testing::random_gpt2()).info;
  EXPECT_EQ(info.context_length, 64);
  EXPECT_EQ(info.head_size, 8);
  EXPECT_EQ(info.kv_heads, 4);
}

}  // namespace
}  // namespace mm_orch::models
