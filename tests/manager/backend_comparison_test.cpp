#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "manager/manager_fixture.h"
#include "manager/recent_prompts.h"

namespace mm_orch::manager {
namespace {

class Comparison : public ManagerTest {
 protected:
  // OpenVINO has an export, and a model that was used on it.
  Comparison() {
    manager.export_model("tiny");
    manager.load_model("tiny");
  }
  ModelManager manager{on("openvino")};
};

TEST_F(Comparison, MeasuresEachSideItself) {
  manager.generate("tiny", "abc", {.max_new_tokens = 4});
  // A sleep has a least duration, whatever the machine does.
  pytorch->at_step = [](int64_t) { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
  const auto result = manager.compare_backends("pytorch", "openvino");
  EXPECT_EQ(result.model, "tiny");
  EXPECT_GE(result.first_stats.avg_latency_s, 4 * 0.002);
  EXPECT_EQ(result.first_stats.sample_count, 8);
  EXPECT_EQ(result.second_stats.sample_count, 8);
  EXPECT_GT(result.latency_improvement_low, 0);
  EXPECT_LE(result.latency_improvement_low, result.latency_improvement);
  EXPECT_GE(result.latency_improvement_high, result.latency_improvement);
  EXPECT_DOUBLE_EQ(result.throughput_improvement,
                   result.second_stats.avg_throughput / result.first_stats.avg_throughput);
  EXPECT_GT(result.first_memory_bytes, 0u);
  const auto turned = manager.compare_backends("openvino", "pytorch");
  EXPECT_GE(turned.second_stats.avg_latency_s, 4 * 0.002);
}

TEST_F(Comparison, LeavesTheStatisticsAndTheCacheAsTheyWere) {
  manager.generate("tiny", "abc", {.max_new_tokens = 4});
  const auto models = pytorch->live_models + openvino->live_models;
  manager.compare_backends("pytorch", "openvino");
  EXPECT_EQ(manager.get_performance_stats("openvino").sample_count, 1);
  EXPECT_EQ(manager.get_performance_stats("pytorch").sample_count, 0);
  EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");
  EXPECT_EQ(pytorch->live_models + openvino->live_models, models);
}

TEST_F(Comparison, FindsNoDifferenceBetweenEqualBackends) {
  manager.generate("tiny", std::vector<std::string>{"abc", "de"}, {.max_new_tokens = 6});
  EXPECT_EQ(manager.compare_backends("pytorch", "openvino").first_difference, std::nullopt);
}

TEST_F(Comparison, NamesTheFirstTokenThatDiffers) {
  const auto answer =
      manager.generate("tiny", std::vector<std::string>{"abc"}, {.max_new_tokens = 6});
  // Other weights under the same name: PyTorch now answers differently.
  testing::write_tiny_gpt2("models/tiny", 3);
  const auto other = [&] {
    ModelManager fresh;
    fresh.load_model("tiny");
    return fresh.generate("tiny", std::vector<std::string>{"abc"}, {.max_new_tokens = 6});
  }();
  ASSERT_NE(answer[0].new_tokens, other[0].new_tokens);
  int64_t index = 0;
  while (answer[0].new_tokens[index] == other[0].new_tokens[index]) ++index;
  EXPECT_EQ(manager.compare_backends("pytorch", "openvino").first_difference, index);
}

TEST_F(Comparison, TakesPromptsAndAModelThatIsNotLoaded) {
  manager.unload_all();
  std::vector<int64_t> seen;
  ComparisonOptions options{.model = "tiny", .prompts = {{1, 2}, {3}}, .max_new_tokens = 5};
  options.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 8);
    seen.push_back(done);
  };
  const auto steps = pytorch->steps.load();
  const auto result = manager.compare_backends("pytorch", "openvino", options);
  EXPECT_EQ(result.model, "tiny");
  EXPECT_EQ(result.first_stats.sample_count, 8);
  EXPECT_EQ(result.first_precision, "FP32");
  EXPECT_EQ(seen, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(pytorch->steps - steps, 2 + 9 * 5);  // warm-up of the load, 9 answers of 5 tokens
  EXPECT_FALSE(manager.is_loaded("tiny"));
}

TEST_F(Comparison, RefusesPromptsThatDoNotFit) {
  const auto compare = [&](std::vector<int64_t> prompt, int64_t max_new_tokens) {
    manager.compare_backends(
        "pytorch", "openvino",
        {.model = "tiny", .prompts = {std::move(prompt)}, .max_new_tokens = max_new_tokens});
  };
  EXPECT_THROW(compare({1}, 64), InvalidInputError);
  EXPECT_THROW(compare({1}, 0), InvalidInputError);
  EXPECT_THROW(compare({}, 5), InvalidInputError);
  EXPECT_THROW(compare({256}, 5), InvalidInputError);
  EXPECT_NO_THROW(compare({1}, 63));
  EXPECT_THROW(manager.compare_backends("pytorch", "openvino", {.model = "tiny"}),
               InvalidInputError);
  EXPECT_THROW(manager.compare_backends("pytorch", "openvino", {.prompts = {{1}}}),
               InvalidInputError);
}

TEST_F(Comparison, CanBeCancelled) {
  const auto cancel = std::make_shared<CancelToken>();
  openvino->at_step = [&](int64_t) { cancel->cancel(); };
  ComparisonOptions options{.model = "tiny", .prompts = {{1, 2}}};
  options.cancel = cancel;
  EXPECT_THROW(manager.compare_backends("pytorch", "openvino", options), CancelledError);
}

TEST_F(Comparison, RefusesWhatCannotBeCompared) {
  EXPECT_NE(error_of([&] { manager.compare_backends("pytorch", "openvino"); }).find("generate"),
            std::string::npos);
  manager.generate("tiny", "abc", {.max_new_tokens = 2});
  EXPECT_THROW(manager.compare_backends("pytorch", "pytorch"), InvalidInputError);
  EXPECT_THROW(manager.compare_backends("pytorch", "onnx"), InvalidInputError);
}

TEST_F(ManagerTest, ComparisonNamesTheBackendThatCannotServe) {
  ModelManager manager;
  manager.load_model("tiny");
  manager.generate("tiny", "abc", {.max_new_tokens = 2});
  try {
    manager.compare_backends("pytorch", "openvino");
    FAIL() << "there is no export";
  } catch (const BackendError& error) {
    EXPECT_NE(std::string(error.what()).find("Model file not found"), std::string::npos)
        << error.what();
  }
}

TEST_F(ManagerTest, KeepsNoPromptWhereTheConfigurationSaysSo) {
  ModelManager manager(with_config("statistics: {keep_prompts: false}"));
  manager.load_model("tiny");
  manager.generate("tiny", "abc", {.max_new_tokens = 2});
  EXPECT_NE(error_of([&] { manager.compare_backends("pytorch", "openvino"); }).find("keep_prompts"),
            std::string::npos);
}

TEST(RecentPrompts, KeepsTheLastOfTheLastModel) {
  RecentPrompts recent(true);
  recent.add({"a", {1}, 1});
  for (int64_t i = 0; i < 20; ++i) recent.add({"b", {i}, 1});
  recent.add({"b", std::vector<int64_t>(RecentPrompts::kMostTokens + 1), 1});
  const auto found = recent.of_last_model();
  ASSERT_EQ(found.size(), RecentPrompts::kMost);
  EXPECT_EQ(found.front().tokens, std::vector<int64_t>{19});
  recent.add({"a", {7}, 1});
  EXPECT_EQ(recent.of_last_model().size(), 1u);
}

}  // namespace
}  // namespace mm_orch::manager
