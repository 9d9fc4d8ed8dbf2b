#include "graph/relative_position.h"

#include <gtest/gtest.h>

#include "graph/builder.h"
#include "support/random_graph.h"

namespace mm_orch::graph {
namespace {

// What transformers 5.23's T5Attention._relative_position_bucket gives.
constexpr std::array<int64_t, 30> kDistances = {
    -1000, -128, -127, -91, -90, -64, -40, -23, -16, -15, -9, -8, -7,  -1,  0,
    1,     2,    7,    8,   9,   15,  16,  23,  40,  64,  90, 91, 127, 128, 1000};
constexpr std::array<int64_t, 30> kBothWays = {15, 15, 15, 15, 14, 14, 12, 11, 10, 9,
                                               8,  8,  7,  1,  0,  17, 18, 23, 24, 24,
                                               25, 26, 27, 28, 30, 30, 31, 31, 31, 31};
constexpr std::array<int64_t, 30> kBackwards = {31, 31, 31, 29, 29, 26, 23, 18, 16, 15,
                                                9,  8,  7,  1,  0,  0,  0,  0,  0,  0,
                                                0,  0,  0,  0,  0,  0,  0,  0,  0,  0};

TEST(RelativePosition, BucketsEqualTransformers) {
  for (size_t i = 0; i < kDistances.size(); ++i) {
    EXPECT_EQ(relative_bucket(kDistances[i], true, 32, 128), kBothWays[i]) << kDistances[i];
    EXPECT_EQ(relative_bucket(kDistances[i], false, 32, 128), kBackwards[i]) << kDistances[i];
  }
  // All of [-200, 200], weighed by their place.
  int64_t both_ways = 0, backwards = 0;
  for (int64_t distance = -200; distance <= 200; ++distance) {
    both_ways += (distance + 201) * relative_bucket(distance, true, 32, 128);
    backwards += (distance + 201) * relative_bucket(distance, false, 32, 128);
  }
  EXPECT_EQ(both_ways, 2048190);
  EXPECT_EQ(backwards, 469455);
}

TEST(RelativePosition, BiasIsTheTablesRowOfEachDistance) {
  testing::RandomTensors random(3);
  GraphBuilder builder({.architecture = "test", .vocabulary_size = 4});
  const auto tensor = random.make("table", {8, 3});
  const auto* values = reinterpret_cast<const float*>(tensor.data.data());
  const RelativePosition relative{.table = builder.weight(tensor), .max_distance = 10};
  const auto x =
      builder.embedding("e", builder.token_ids(), builder.weight(random.matrix("t", 4, 4)));
  const auto graph = builder.finish("head", x, builder.weight(random.matrix("head", 4, 4)));
  const auto bias = relative_bias(graph, relative, true);
  ASSERT_EQ(bias.size(), 21u * 3);
  for (int64_t distance = -10; distance <= 10; ++distance)
    for (int64_t head = 0; head < 3; ++head)
      EXPECT_EQ(bias[static_cast<size_t>((distance + 10) * 3 + head)],
                values[relative_bucket(distance, true, 8, 10) * 3 + head]);
}

}  // namespace
}  // namespace mm_orch::graph
