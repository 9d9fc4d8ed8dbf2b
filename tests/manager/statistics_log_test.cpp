#include "manager/statistics_log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

using std::chrono::seconds;

TEST(StatisticsLog, IsDueOnceInEachInterval) {
  std::chrono::steady_clock::time_point now{};
  StatisticsLog log([&] { return now; });
  EXPECT_FALSE(log.is_due(60));
  now += seconds(59);
  EXPECT_FALSE(log.is_due(60));
  now += seconds(1);
  EXPECT_TRUE(log.is_due(60));
  EXPECT_FALSE(log.is_due(60));
  now += seconds(600);  // nothing ran meanwhile: one line, not ten
  EXPECT_TRUE(log.is_due(60));
  EXPECT_FALSE(log.is_due(60));
}

TEST(StatisticsLog, ZeroIsOff) {
  std::chrono::steady_clock::time_point now{};
  StatisticsLog log([&] { return now; });
  now += seconds(1000000);
  EXPECT_FALSE(log.is_due(0));
}

TEST(StatisticsLog, OneOfManyThreadsWrites) {
  std::atomic<int> calls = 0;
  StatisticsLog log(
      [&] { return std::chrono::steady_clock::time_point(seconds(calls++ ? 60 : 0)); });
  std::atomic<int> due = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&] { due += log.is_due(60); });
  }
  EXPECT_EQ(due, 1);
}

TEST(StatisticsLog, TheLineNamesEachBackend) {
  PerformanceStats openvino{}, pytorch{};
  openvino.avg_latency_s = 0.8124;
  openvino.p95_latency_s = 1.2;
  openvino.avg_throughput = 61.53;
  openvino.sample_count = 12;
  openvino.fallback_count = 1;
  pytorch.sample_count = 1;
  EXPECT_EQ(
      statistics_line({{"openvino", openvino}, {"pytorch", pytorch}}),
      "Statistics: openvino: 12 generations, 0.812 s on average (p95 1.200 s), 61.5 tokens/s, "
      "1 fallback; pytorch: 1 generation, 0.000 s on average (p95 0.000 s), 0.0 tokens/s, "
      "0 fallbacks");
}

TEST_F(ManagerTest, StatisticsAreLoggedWhenACallEndsAfterTheInterval) {
  std::vector<std::string> lines;
  set_log_sink([&](LogLevel level, std::string_view message) {
    if (level == LogLevel::kInfo && message.starts_with("Statistics")) lines.emplace_back(message);
  });
  for (const char* interval : {"0", "1"}) {
    ModelManager manager(
        with_config(std::string("statistics: {log_interval_seconds: ") + interval + "}"));
    manager.load_model("tiny");
    if (*interval == '1') std::this_thread::sleep_for(std::chrono::milliseconds(1010));
    EXPECT_TRUE(lines.empty());
    manager.generate("tiny", "abc", {.max_new_tokens = 2});
  }
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].starts_with("Statistics: pytorch: 1 generation, ")) << lines[0];
}

}  // namespace
}  // namespace mm_orch::manager
