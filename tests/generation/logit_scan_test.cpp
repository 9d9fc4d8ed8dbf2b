#include "generation/logit_scan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace mm_orch::generation {
namespace {

TEST(LogitScan, FindsTheLargestAtAnySizeAndPosition) {
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0, 3);
  LogitScan scan;
  for (size_t size : {1, 2, 15, 16, 17, 63, 64, 65, 200, 1000}) {
    std::vector<float> logits(size);
    for (size_t position = 0; position < size; ++position) {
      std::generate(logits.begin(), logits.end(), [&] { return normal(engine); });
      logits[position] = 100;
      scan_logits(logits, scan);
      ASSERT_TRUE(scan.finite);
      ASSERT_EQ(scan.max, 100);
      ASSERT_EQ(first_maximum(logits, scan), static_cast<int64_t>(position));
    }
  }
}

TEST(LogitScan, TakesTheLowestIdOfEqualLogits) {
  std::vector<float> logits(300, -5.0f);
  logits[290] = logits[70] = logits[71] = -1.0f;
  LogitScan scan;
  scan_logits(logits, scan);
  EXPECT_EQ(first_maximum(logits, scan), 70);
}

TEST(LogitScan, SeesANotFiniteValueAnywhere) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  LogitScan scan;
  for (float bad : {std::nanf(""), -std::nanf(""), kInfinity, -kInfinity}) {
    for (size_t position = 0; position < 150; ++position) {
      std::vector<float> logits(150, 1.0f);
      logits[position] = bad;
      scan_logits(logits, scan);
      ASSERT_FALSE(scan.finite) << bad << " at " << position;
    }
  }
}

}  // namespace
}  // namespace mm_orch::generation
