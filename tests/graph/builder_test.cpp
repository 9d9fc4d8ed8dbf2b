#include "graph/builder.h"

#include <gtest/gtest.h>

#include "support/random_graph.h"

namespace mm_orch::graph {
namespace {

class Builder : public ::testing::Test {
 protected:
  testing::RandomTensors random{1};
  GraphBuilder builder{{.architecture = "test", .layers = 1, .vocabulary_size = 6}};
  ValueId x = builder.embedding("e", builder.token_ids(), builder.weight(random.matrix("t", 6, 4)));
};

TEST_F(Builder, TracksTheSizeOfEachValue) {
  const ValueId wide = builder.linear("up", x, builder.weight(random.matrix("up", 8, 4)));
  const auto parts = builder.split("split", wide, {6, 2});
  const Graph graph = builder.finish("head", parts[1], builder.weight(random.matrix("head", 6, 2)));
  EXPECT_EQ(graph.last_axis[static_cast<size_t>(parts[0])], 6);
  EXPECT_EQ(graph.last_axis[static_cast<size_t>(parts[1])], 2);
  EXPECT_EQ(graph.logits, graph.nodes.back().outputs[0]);
  EXPECT_EQ(graph.parameter_count(), 6 * 4 + 8 * 4 + 6 * 2);
}

TEST_F(Builder, RefusesAMatrixThatDoesNotFit) {
  EXPECT_THROW(builder.linear("up", x, builder.weight(random.matrix("up", 8, 5))),
               std::logic_error);
}

TEST_F(Builder, RefusesABiasOfAnotherSize) {
  const auto matrix = builder.weight(random.matrix("up", 8, 4));
  EXPECT_THROW(builder.linear("up", x, matrix, builder.weight(random.make("b", {7}))),
               std::logic_error);
}

TEST_F(Builder, RefusesADuplicateName) {
  builder.silu("act", x);
  EXPECT_THROW(builder.silu("act", x), std::logic_error);
}

TEST_F(Builder, RefusesSplitsThatDoNotAddUp) {
  EXPECT_THROW(builder.split("split", x, {2, 1}), std::logic_error);
}

TEST_F(Builder, RefusesHeadsThatDoNotMatch) {
  EXPECT_THROW(
      builder.attention("a", x, x, x,
                        {.layer = 0, .heads = 3, .kv_heads = 2, .head_size = 2, .scale = 1}),
      std::logic_error);
  EXPECT_THROW(
      builder.attention("b", x, x, x,
                        {.layer = 1, .heads = 2, .kv_heads = 2, .head_size = 2, .scale = 1}),
      std::logic_error);
}

TEST_F(Builder, RefusesPackedWeightsOfUnequalRows) {
  EXPECT_THROW(builder.packed_weight("p", {random.matrix("a", 2, 4), random.matrix("b", 2, 5)}),
               std::logic_error);
}

TEST_F(Builder, RefusesLogitsThatDoNotCoverTheVocabulary) {
  EXPECT_THROW(builder.finish("head", x, builder.weight(random.matrix("head", 5, 4))),
               std::logic_error);
}

}  // namespace
}  // namespace mm_orch::graph
