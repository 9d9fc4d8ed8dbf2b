#include "manager/performance_monitor.h"

#include <gtest/gtest.h>

#include <cmath>

namespace mm_orch::manager {

TEST(PerformanceMonitor, BackendThatHasNotRunHasNanFigures) {
  const auto stats = PerformanceMonitor().stats("openvino");
  EXPECT_TRUE(std::isnan(stats.avg_latency_s));
  EXPECT_TRUE(std::isnan(stats.p95_latency_s));
  EXPECT_TRUE(std::isnan(stats.avg_throughput));
  EXPECT_TRUE(std::isnan(stats.time_to_first_token_s));
  EXPECT_EQ(stats.sample_count, 0);
}

TEST(PerformanceMonitor, KeepsBackendsApart) {
  PerformanceMonitor monitor;
  monitor.record("openvino", "a", 1.0, 0.1, 10);
  monitor.record("openvino", "a", 3.0, 0.3, 30);
  monitor.record("pytorch", "a", 10.0, 1.0, 5);
  const auto stats = monitor.stats("openvino");
  EXPECT_DOUBLE_EQ(stats.avg_latency_s, 2.0);
  EXPECT_DOUBLE_EQ(stats.time_to_first_token_s, 0.2);
  EXPECT_DOUBLE_EQ(stats.avg_throughput, 10.0);  // 40 tokens in 4 s
  EXPECT_EQ(stats.sample_count, 2);
  EXPECT_NEAR(stats.p50_latency_s, 1.0, 0.011);
  EXPECT_DOUBLE_EQ(monitor.stats("pytorch").avg_throughput, 0.5);
  EXPECT_EQ(monitor.backends(), (std::vector<std::string>{"openvino", "pytorch"}));
}

TEST(PerformanceMonitor, KeepsModelsApartAndAddsThemUp) {
  PerformanceMonitor monitor;
  monitor.record("openvino", "a", 1.0, 0.1, 10);
  monitor.record("openvino", "b", 3.0, 0.3, 60);
  monitor.record("openvino", "b", 5.0, 0.5, 20);
  EXPECT_DOUBLE_EQ(monitor.stats("openvino", "a").avg_latency_s, 1.0);
  EXPECT_DOUBLE_EQ(monitor.stats("openvino", "b").avg_throughput, 10.0);
  EXPECT_NEAR(monitor.stats("openvino", "b").p50_latency_s, 3.0, 0.03);
  const auto all = monitor.stats("openvino");
  EXPECT_EQ(all.sample_count, 3);
  EXPECT_DOUBLE_EQ(all.avg_latency_s, 3.0);
  EXPECT_NEAR(all.p50_latency_s, 3.0, 0.03);
  EXPECT_NEAR(all.p99_latency_s, 5.0, 0.05);
  EXPECT_DOUBLE_EQ(all.avg_throughput, 10.0);
  EXPECT_DOUBLE_EQ(all.time_to_first_token_s, 0.3);
  EXPECT_EQ(monitor.stats("openvino", "c").sample_count, 0);
  EXPECT_TRUE(std::isnan(monitor.stats("pytorch", "a").avg_latency_s));
}

}  // namespace mm_orch::manager
