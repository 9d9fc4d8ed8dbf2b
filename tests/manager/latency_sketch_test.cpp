#include "manager/latency_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace mm_orch::manager {
namespace {

constexpr double kQuantiles[] = {0, 0.01, 0.5, 0.9, 0.95, 0.99, 1};

void expect_bound(const std::function<double()>& draw) {
  LatencySketch sketch;
  std::vector<double> values(20000);
  for (double& value : values) sketch.add(value = draw());
  std::ranges::sort(values);
  for (const double q : kQuantiles) {
    const double rank = std::ceil(q * static_cast<double>(values.size()));
    const double exact = values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
    EXPECT_NEAR(sketch.quantile(q), exact, exact * LatencySketch::kRelativeError * 1.0001) << q;
  }
}

TEST(LatencySketch, QuantilesAreWithinTheStatedError) {
  std::mt19937_64 engine(5);
  std::uniform_real_distribution<double> uniform(0.001, 3);
  std::lognormal_distribution<double> lognormal(-2, 2);
  std::exponential_distribution<double> exponential(0.3);
  expect_bound([&] { return uniform(engine); });
  expect_bound([&] { return std::clamp(lognormal(engine), 1e-5, 1e5); });
  expect_bound([&] { return exponential(engine) + 1e-4; });
  expect_bound([&] { return engine() % 100 == 0 ? 100.0 : 0.01; });
}

TEST(LatencySketch, HighQuantileOfFewValuesIsTheLargest) {
  LatencySketch sketch;
  for (const double value : {0.9, 0.2, 0.9, 3.7}) sketch.add(value);
  EXPECT_NEAR(sketch.quantile(0.95), 3.7, 3.7 * LatencySketch::kRelativeError * 1.0001);
  EXPECT_NEAR(sketch.quantile(0.5), 0.9, 0.9 * LatencySketch::kRelativeError * 1.0001);
}

TEST(LatencySketch, NothingAddedIsNan) { EXPECT_TRUE(std::isnan(LatencySketch().quantile(0.5))); }

TEST(LatencySketch, ExtremesAreClamped) {
  LatencySketch sketch;
  for (const double value :
       {0.0, -1.0, 1e-300, std::nan(""), 1e300, std::numeric_limits<double>::infinity()})
    sketch.add(value);
  EXPECT_EQ(sketch.count(), 6);
  EXPECT_NEAR(sketch.quantile(0), 1e-6, 1e-6 * LatencySketch::kRelativeError * 1.0001);
  EXPECT_NEAR(sketch.quantile(1), 1e6, 1e6 * LatencySketch::kRelativeError * 1.0001);
}

}  // namespace
}  // namespace mm_orch::manager
