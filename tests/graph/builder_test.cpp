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

TEST_F(Builder, KeepsTheSidesApart) {
  const auto table = builder.weight(random.matrix("source", 6, 4));
  const ValueId source = builder.embedding("source", builder.token_ids(Side::kEncoder), table);
  EXPECT_THROW(builder.add("mixed", x, source), std::logic_error);
  EXPECT_THROW(builder.encoder_attention("own", x, x, x, {.heads = 2, .head_size = 2, .scale = 1}),
               std::logic_error);
  EXPECT_THROW(
      builder.attention("cached", source, source, source,
                        {.layer = 0, .heads = 2, .kv_heads = 2, .head_size = 2, .scale = 1}),
      std::logic_error);
  const CrossAttention cross{.layer = 0, .heads = 2, .head_size = 2, .scale = 1};
  EXPECT_THROW(builder.cross_attention("swapped", source, x, x, cross), std::logic_error);
  const ValueId seen = builder.cross_attention("cross", x, source, source, cross);
  builder.set_hidden(source);
  const Graph graph = builder.finish("head", seen, builder.weight(random.matrix("head", 6, 4)));
  EXPECT_EQ(graph.nodes.back().side, Side::kDecoder);
  EXPECT_EQ(graph.hidden, source);
}

TEST_F(Builder, RefusesARelativeTableThatDoesNotFit) {
  const auto attend = [&](const std::string& name, const RelativePosition& relative) {
    return builder.attention(
        name, x, x, x,
        {.layer = 0, .heads = 2, .kv_heads = 2, .head_size = 2, .scale = 1, .relative = relative});
  };
  const auto table = builder.weight(random.matrix("table", 8, 2));
  EXPECT_THROW(attend("heads", {builder.weight(random.matrix("wide", 8, 3)), 16}),
               std::logic_error);
  EXPECT_THROW(attend("near", {table, 4}), std::logic_error);
  EXPECT_NO_THROW(attend("fits", {table, 16}));
}

}  // namespace
}  // namespace mm_orch::graph
