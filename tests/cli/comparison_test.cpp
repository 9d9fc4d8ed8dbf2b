#include "comparison.h"

#include <gtest/gtest.h>

namespace mm_orch::cli {
namespace {

ComparedBackends compared() {
  ComparedBackends compared{.first = "pytorch", .second = "openvino", .result = {}};
  auto& result = compared.result;
  result.model = "m";
  result.latency_improvement = 4;
  result.latency_improvement_low = 3.914;
  result.latency_improvement_high = 4.088;
  result.throughput_improvement = 4;
  result.first_precision = "FP32";
  result.second_precision = "INT8";
  result.first_memory_bytes = 538000000;
  result.second_memory_bytes = 143000000;
  result.first_stats.time_to_first_token_s = 0.0312;
  result.first_stats.avg_throughput = 25;
  result.first_stats.avg_latency_s = 2;
  result.first_stats.p95_latency_s = 2.1;
  result.first_stats.sample_count = 8;
  result.second_stats = result.first_stats;
  result.second_stats.time_to_first_token_s = 0.0099;
  result.second_stats.avg_throughput = 100;
  result.second_stats.avg_latency_s = 0.5;
  return compared;
}

TEST(ComparisonTable, AlignsTheFiguresOfBothBackends) {
  EXPECT_EQ(comparison_table(compared()),
            "backend   precision  first token (ms)  tokens/s  avg latency (s)  p95 latency (s)  "
            "memory\n"
            "--------  ---------  ----------------  --------  ---------------  ---------------  "
            "------\n"
            "pytorch   FP32                   31.2      25.0            2.000            2.100  "
            "538 MB\n"
            "openvino  INT8                    9.9     100.0            0.500            2.100  "
            "143 MB\n");
}

TEST(ComparisonVerdict, SaysHowMuchFasterAndWhereTheAnswersPart) {
  auto pair = compared();
  EXPECT_EQ(comparison_verdict(pair),
            "openvino is 4.00x as fast as pytorch (95% interval 3.91x to 4.09x).\n"
            "The answers are equal, token by token.\n");
  pair.result.first_difference = 11;
  EXPECT_TRUE(comparison_verdict(pair).ends_with("\nAn answer differs from its token 12 on.\n"));
}

TEST(ComparisonJson, HoldsAllOfIt) {
  auto pair = compared();
  const auto json = comparison_json(pair);
  EXPECT_EQ(json["model"], "m");
  EXPECT_EQ(json["backends"][0]["backend"], "pytorch");
  EXPECT_EQ(json["backends"][1]["precision"], "INT8");
  EXPECT_EQ(json["backends"][1]["tokens_per_s"], 100.0);
  EXPECT_EQ(json["backends"][0]["memory_bytes"], 538000000u);
  EXPECT_EQ(json["backends"][0]["generations"], 8);
  EXPECT_EQ(json["latency_interval"][1], 4.088);
  EXPECT_TRUE(json["first_difference"].is_null());
  pair.result.first_difference = 0;
  EXPECT_EQ(comparison_json(pair)["first_difference"], 0);
}

}  // namespace
}  // namespace mm_orch::cli
