#include "comparison.h"

#include <gtest/gtest.h>

namespace mm_orch::cli {
namespace {

TEST(Quantile, EqualsNumpy) {
  // numpy.quantile([4, 1, 3, 2], [0, 0.5, 0.95, 1])
  const std::vector<double> values = {4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 2.5);
  EXPECT_DOUBLE_EQ(quantile(values, 0.95), 3.85);
  EXPECT_DOUBLE_EQ(quantile(values, 1), 4);
  EXPECT_DOUBLE_EQ(quantile({7}, 0.95), 7);
}

TEST(Figures, WeighThroughputByTime) {
  const auto result = figures({{0.1, 1, 10}, {0.3, 3, 50}});
  EXPECT_DOUBLE_EQ(result.time_to_first_token_s, 0.2);
  EXPECT_DOUBLE_EQ(result.tokens_per_s, 15);
  EXPECT_DOUBLE_EQ(result.avg_latency_s, 2);
  EXPECT_DOUBLE_EQ(result.p95_latency_s, 2.9);
}

TEST(FirstDifference, FindsTokenOrShorterEnd) {
  EXPECT_EQ(first_difference({1, 2, 3}, {1, 2, 3}), std::nullopt);
  EXPECT_EQ(first_difference({1, 2, 3}, {1, 9, 3}), 1U);
  EXPECT_EQ(first_difference({1, 2}, {1, 2, 3}), 2U);
  EXPECT_EQ(first_difference({1, 2, 3}, {1, 2}), 2U);
}

TEST(ComparisonTable, AlignsAndRelatesToTheFirst) {
  const auto table = comparison_table({{"pytorch", "FP32", "cpu", {{0.0312, 2, 50}}},
                                       {"openvino", "INT8", "CPU", {{0.0099, 0.5, 50}}}});
  EXPECT_EQ(table,
            "backend   precision  first token (ms)  tokens/s  avg latency (s)  p95 latency (s)  "
            "speed-up\n"
            "--------  ---------  ----------------  --------  ---------------  ---------------  "
            "--------\n"
            "pytorch   FP32                   31.2      25.0            2.000            2.000     "
            "1.00x\n"
            "openvino  INT8                    9.9     100.0            0.500            0.500     "
            "4.00x\n");
}

}  // namespace
}  // namespace mm_orch::cli
