#include <gtest/gtest.h>

#include <chrono>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

double now_s() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

TEST_F(ManagerTest, UsageCountsLoadsCallsAndTokensOfEachModel) {
  testing::write_tiny_gpt2("models/second");
  const double start = now_s();
  ModelManager manager;
  EXPECT_TRUE(manager.get_usage_stats().empty());
  manager.load_model("tiny");
  manager.load_model("tiny");  // is loaded: no second load
  manager.load_model("second");
  EXPECT_EQ(manager.get_usage_stats().at("second").generations, 0);
  manager.generate("tiny", "abc", {.max_new_tokens = 4});
  manager.generate("tiny", std::vector<std::string>{"a", "bc"}, {.max_new_tokens = 5});
  EXPECT_THROW(manager.generate("tiny", ""), InvalidInputError);
  manager.unload_model("tiny");
  manager.load_model("tiny");

  const auto usage = manager.get_usage_stats();
  ASSERT_EQ(usage.size(), 2u);
  const auto& tiny = usage.at("tiny");
  EXPECT_EQ(tiny.loads, 2);
  EXPECT_EQ(tiny.generations, 2);
  EXPECT_EQ(tiny.prompt_tokens, 3 + 1 + 2);
  EXPECT_EQ(tiny.new_tokens, 4 + 5 + 5);
  const auto& second = usage.at("second");
  EXPECT_EQ(second.loads, 1);
  EXPECT_EQ(second.new_tokens, 0);
  EXPECT_GE(second.loaded_since_s.value(), start);
  EXPECT_GE(tiny.loaded_since_s.value(), second.loaded_since_s.value());
  EXPECT_GE(tiny.last_used_s, tiny.loaded_since_s.value());
  EXPECT_LE(tiny.last_used_s, now_s());
}

TEST_F(ManagerTest, UsageOutlivesTheModelButSaysThatItIsGone) {
  ModelManager manager;
  manager.load_model("tiny");
  manager.score("tiny", "abc");
  manager.unload_model("tiny");
  const auto usage = manager.get_usage_stats().at("tiny");
  EXPECT_FALSE(usage.loaded_since_s);
  EXPECT_EQ(usage.loads, 1);
  EXPECT_GT(usage.last_used_s, 0);
}

TEST_F(ManagerTest, AFailedLoadIsNoLoad) {
  ModelManagerOptions options;
  options.max_cached_bytes = 1;
  ModelManager manager(options);
  EXPECT_THROW(manager.load_model("tiny"), OutOfMemoryError);
  EXPECT_THROW(manager.load_model("absent"), ModelNotFoundError);
  EXPECT_TRUE(manager.get_usage_stats().empty());
}

TEST_F(ManagerTest, StatisticsAreOfEachModelToo) {
  testing::write_tiny_gpt2("models/second");
  ModelManager manager;
  for (const char* name : {"tiny", "second"}) manager.load_model(name);
  manager.generate("tiny", "abc", {.max_new_tokens = 4});
  manager.generate("second", "abc", {.max_new_tokens = 4});
  manager.generate("second", "abc", {.max_new_tokens = 4});
  EXPECT_EQ(manager.get_performance_stats("pytorch").sample_count, 3);
  EXPECT_EQ(manager.get_performance_stats("pytorch", "second").sample_count, 2);
  EXPECT_EQ(manager.get_performance_stats("pytorch", "absent").sample_count, 0);
}

TEST_F(ManagerTest, FallbacksAreCountedOfEachModel) {
  testing::write_tiny_gpt2("models/second");
  ModelManager manager(on("openvino"));
  manager.export_model("second");
  for (const char* name : {"tiny", "second"}) manager.load_model(name);  // tiny is not exported
  EXPECT_EQ(manager.get_performance_stats("openvino").fallback_count, 1);
  EXPECT_EQ(manager.get_performance_stats("openvino", "tiny").fallback_count, 1);
  EXPECT_EQ(manager.get_performance_stats("openvino", "second").fallback_count, 0);
}

}  // namespace
}  // namespace mm_orch::manager
