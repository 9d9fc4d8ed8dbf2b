#include "attention_kernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace mm_orch::openvino {
namespace {

TEST(AttentionKernel, EqualsPlainLoops) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const auto draw = [&](int64_t count) {
    std::vector<float> values(static_cast<size_t>(count));
    for (auto& value : values) value = normal(random);
    return values;
  };
  for (const int64_t size : {1, 7, 16, 24, 64, 80, 128}) {
    for (const int64_t count : {1, 2, 15, 16, 31, 32, 33, 64, 100}) {
      const auto q = draw(size), keys = draw(count * size), values = draw(count * size);
      const auto bias = draw(count);
      // Blocks in disorder, with what others left in them.
      const std::vector<int32_t> blocks = {3, 0, 2, 1};
      std::vector<float> cache(static_cast<size_t>(4 * head_floats(size)), 1e30f);
      for (int64_t t = 0; t < count; ++t)
        put(cache.data() + blocks[static_cast<size_t>(t / kKeysPerBlock)] * head_floats(size),
            t % kKeysPerBlock, size, keys.data() + t * size, values.data() + t * size);
      std::vector<double> weights;
      double sum = 0;
      for (int64_t t = 0; t < count; ++t) {
        double score = bias[static_cast<size_t>(t)];
        for (int64_t d = 0; d < size; ++d)
          score += double{q[static_cast<size_t>(d)]} * keys[static_cast<size_t>(t * size + d)];
        weights.push_back(std::exp(score));
        sum += weights.back();
      }
      auto scores = bias;
      scores.resize(4 * kKeysPerBlock);
      std::vector<float> out(static_cast<size_t>(size) + 1, -1.0f);
      attend(q.data(), {cache.data(), head_floats(size), blocks.data()}, count, size, scores.data(),
             out.data());
      for (int64_t d = 0; d < size; ++d) {
        double expected = 0;
        for (int64_t t = 0; t < count; ++t)
          expected +=
              weights[static_cast<size_t>(t)] / sum * values[static_cast<size_t>(t * size + d)];
        EXPECT_NEAR(out[static_cast<size_t>(d)], expected, 2e-5) << size << ", " << count;
      }
      EXPECT_EQ(out.back(), -1.0f);  // nothing beyond
    }
  }
}

}  // namespace
}  // namespace mm_orch::openvino
