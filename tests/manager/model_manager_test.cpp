#include "mm_orch/model_manager.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <thread>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

TEST_F(ManagerTest, GeneratesThePromptVerbatimAndItsContinuation) {
  ModelManager manager;
  manager.load_model("tiny", "transformers");
  const GenerationConfig config{.max_new_tokens = 8};
  const std::string prompt = "Hello \xF0\x9F\x98\x80 world";
  const auto text = manager.generate("tiny", prompt, config);
  const auto batch = manager.generate("tiny", std::vector{prompt, std::string("b")}, config);
  EXPECT_EQ(text, prompt + batch[0].text);
  EXPECT_EQ(batch[0].new_tokens.size(), 8u);
  EXPECT_EQ(batch[0].prompt_tokens, manager.tokenize("tiny", prompt));
  EXPECT_EQ(manager.detokenize("tiny", batch[0].prompt_tokens), prompt);
  EXPECT_EQ(batch[0].backend, "pytorch");
  EXPECT_GT(batch[0].latency_s, 0);
  EXPECT_LE(batch[0].time_to_first_token_s, batch[0].latency_s);
  const auto tokens = manager.generate_tokens("tiny", {batch[1].prompt_tokens}, config);
  EXPECT_EQ(tokens[0].new_tokens, batch[1].new_tokens);
  EXPECT_TRUE(manager.generate("tiny", std::vector<std::string>{}).empty());
}

TEST_F(ManagerTest, TellsWhatIsInMemory) {
  ModelManager manager({.max_cached_models = 2, .residency_s = 60});
  EXPECT_TRUE(manager.get_cache_info().models.empty());
  manager.load_model("tiny");
  manager.pin_model("tiny");
  const auto info = manager.get_cache_info();
  ASSERT_EQ(info.models.size(), 1u);
  EXPECT_EQ(info.max_cached_models, 2);
  EXPECT_EQ(info.residency_s, 60);
  EXPECT_EQ(info.models[0].name, "tiny");
  EXPECT_EQ(info.models[0].backend, "pytorch");
  EXPECT_TRUE(info.models[0].pinned);
  EXPECT_FALSE(info.models[0].in_use);
  EXPECT_GT(info.memory_bytes, 0u);
  EXPECT_EQ(info.memory_bytes, info.models[0].memory_bytes);
  EXPECT_EQ(manager.cleanup_stale(), 0);
  EXPECT_NE(error_of([&] { manager.pin_model("other"); }).find("loaded: tiny"), std::string::npos);
}

TEST_F(ManagerTest, RefusesWithAClearError) {
  ModelManager manager;
  EXPECT_NE(error_of([&] { manager.generate("tiny", "x"); }).find("call load_model(\"tiny\")"),
            std::string::npos);
  const auto source = error_of([&] { manager.load_model("tiny", "tensorflow_hub"); });
  EXPECT_NE(source.find("'tensorflow_hub'"), std::string::npos) << source;
  EXPECT_NE(source.find("\"transformers\""), std::string::npos) << source;
  manager.load_model("tiny");
  EXPECT_NE(error_of([&] { manager.generate("other", "x"); }).find("loaded: tiny"),
            std::string::npos);
  EXPECT_THROW(manager.generate("tiny", ""), InvalidInputError);
  EXPECT_THROW(manager.generate("tiny", "\xFF"), InvalidInputError);
  EXPECT_THROW(manager.generate_tokens("tiny", {{256}}), InvalidInputError);
  EXPECT_THROW(manager.generate_tokens("tiny", {{-1}}), InvalidInputError);
  EXPECT_THROW(manager.generate("tiny", std::string(65, 'x')), InvalidInputError);
  EXPECT_THROW(manager.load_model("../tiny/../../etc"), MuAIError);
  EXPECT_THROW(manager.load_model("a b"), InvalidInputError);
  EXPECT_THROW(manager.load_model("tiny", "transformers", {.backend_override = "onnx"}),
               InvalidInputError);
  EXPECT_THROW(
      manager.load_model("tiny", "transformers", {.backend_override = {}, .device = "TPU"}),
      InvalidInputError);
  EXPECT_THROW(manager.apply_chat_template("tiny", {{"user", "hi"}}), InvalidInputError);
  EXPECT_THROW(manager.get_performance_stats("onnx"), InvalidInputError);
  EXPECT_THROW(manager.export_model("tiny", {.precision = "INT2"}), InvalidInputError);
  EXPECT_THROW(manager.get_model_info("absent"), InvalidInputError);
}

TEST_F(ManagerTest, RefusesWrongOptions) {
  EXPECT_THROW(ModelManager({.backend = "onnx"}), ConfigurationError);
  ModelManagerOptions options;
  options.max_cached_models = 0;
  EXPECT_THROW(ModelManager{options}, ConfigurationError);
  options = {};
  options.residency_s = std::nan("");
  EXPECT_THROW(ModelManager{options}, ConfigurationError);
  options = {};
  options.default_device = "TPU";
  EXPECT_THROW(ModelManager{options}, ConfigurationError);
  EXPECT_THROW(ModelManager(with_config("openvino: {devise: CPU}")), ConfigurationError);
}

TEST_F(ManagerTest, MissingConfigurationFileIsPyTorch) {
  ModelManagerOptions options;
  options.config_path = "config/backend.yaml";
  ModelManager manager(options);
  EXPECT_EQ(warnings.size(), 1u);
  manager.load_model("tiny");
  EXPECT_EQ(manager.get_model_info("tiny").backend, "pytorch");
}

TEST_F(ManagerTest, ModelsWithoutATokenizerTakeIds) {
  fs::remove("models/tiny/tokenizer.json");
  ModelManager manager;
  manager.load_model("tiny");
  EXPECT_EQ(
      manager.generate_tokens("tiny", {{1, 2, 3}}, {.max_new_tokens = 4})[0].new_tokens.size(), 4u);
  EXPECT_THROW(manager.generate("tiny", "x"), InvalidInputError);
}

TEST_F(ManagerTest, AutoExportMakesTheMissingAndTheOutdated) {
  auto options = with_config("{default: openvino, openvino: {auto_export: true, cache_dir: ov}}");
  {
    ModelManager manager(options);
    manager.load_model("tiny");
    EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");
    EXPECT_EQ(manager.get_model_info("tiny").path, "ov/tiny/tiny.xml");
    ModelManager again(options);
    again.load_model("tiny");
    EXPECT_EQ(openvino->exports, 1);
  }
  testing::write_tiny_gpt2("models/tiny", 2);
  ModelManager manager(options);
  manager.load_model("tiny");
  EXPECT_EQ(openvino->exports, 2);
  EXPECT_TRUE(manager.get_fallback_events().empty());
}

TEST_F(ManagerTest, AFailedAutoExportFallsBackAsNotExported) {
  ModelManager manager(with_config("{default: openvino, openvino: {auto_export: true}}"));
  openvino->at_export = [](const auto&) { throw BackendError("Cannot write: No space left"); };
  manager.load_model("tiny");
  EXPECT_EQ(manager.get_fallback_events().at(0).reason, FallbackReason::kModelNotExported);
  EXPECT_FALSE(fs::exists("models/openvino"));
}

TEST_F(ManagerTest, AnExportedModelServesAloneByNameAndByPath) {
  ModelManager first;
  first.load_model("tiny");
  const auto expected = first.generate("tiny", "Hello");
  first.export_model("tiny");
  fs::rename("models/tiny", "hidden");
  for (const std::string name : {"tiny", "models/openvino/tiny", "./models/openvino/tiny/"}) {
    ModelManager manager(on("openvino"));
    manager.load_model(name);
    EXPECT_EQ(manager.get_model_info(name).backend, "openvino");
    EXPECT_EQ(manager.generate(name, "Hello"), expected);
  }
}

TEST_F(ManagerTest, ADamagedSourceDoesNotStopAnExportedModel) {
  ModelManager manager(on("openvino"));
  manager.export_model("tiny");
  // A new file: the scripted artifact has the old one mapped.
  fs::rename("models/tiny/model.safetensors", "mapped");
  testing::write_text("models/tiny/model.safetensors", testing::read_text("mapped").substr(0, 100));
  manager.load_model("tiny");
  EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");
  EXPECT_EQ(warnings.size(), 1u);
}

TEST_F(ManagerTest, AnotherBackendReplacesTheLoadedModel) {
  ModelManager manager;
  manager.export_model("tiny");
  manager.load_model("tiny");
  manager.load_model("tiny", "transformers", {.backend_override = "openvino"});
  EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");
  EXPECT_EQ(manager.get_cached_models(), std::vector<std::string>{"tiny"});
  EXPECT_EQ(pytorch->live_models, 0);
}

TEST_F(ManagerTest, UnloadingGivesTheModelBack) {
  ModelManager manager;
  manager.load_model("tiny");
  EXPECT_TRUE(manager.is_loaded("tiny"));
  EXPECT_EQ(pytorch->live_models, 1);
  EXPECT_TRUE(manager.unload_model("tiny"));
  EXPECT_FALSE(manager.unload_model("tiny"));
  EXPECT_EQ(pytorch->live_models, 0);
  manager.load_model("tiny");
  manager.unload_all();
  EXPECT_FALSE(manager.is_loaded("tiny"));
  EXPECT_EQ(pytorch->live_models, 0);
}

TEST_F(ManagerTest, UnloadingDoesNotDisturbAGeneration) {
  ModelManager manager;
  manager.load_model("tiny");
  GenerationConfig config{.max_new_tokens = 10};
  const auto expected = manager.generate("tiny", "Hello", config);
  bool unloaded = false;
  config.stream = [&](size_t, std::string_view) {
    if (!unloaded) unloaded = manager.unload_model("tiny");
    return true;
  };
  EXPECT_EQ(manager.generate("tiny", "Hello", config), expected);
  EXPECT_TRUE(unloaded);
  EXPECT_EQ(pytorch->live_models, 0);
}

TEST_F(ManagerTest, ScoresAreOfThePrompt) {
  ModelManager manager;
  manager.load_model("tiny");
  const auto pass = manager.score("tiny", "Hello world", {.with_logits = true});
  const auto steps = manager.score("tiny", "Hello world", {.with_logits = true, .stepwise = true});
  ASSERT_EQ(pass.tokens, manager.tokenize("tiny", "Hello world"));
  ASSERT_EQ(pass.log_probabilities.size(), pass.tokens.size() - 1);
  for (size_t i = 0; i < pass.logits.size(); ++i)
    ASSERT_NEAR(pass.logits[i], steps.logits[i], 1e-5);
  EXPECT_EQ(pass.vocabulary_size, 256);
}

TEST_F(ManagerTest, StatisticsAreKeyedByTheBackendsThatRan) {
  ModelManager manager;
  manager.load_model("tiny");
  EXPECT_TRUE(manager.get_performance_stats().empty());  // the warm-up is not counted
  manager.generate("tiny", "Hello", {.max_new_tokens = 4});
  manager.generate("tiny", std::vector<std::string>{"a", "b"}, {.max_new_tokens = 4});
  const auto stats = manager.get_performance_stats();
  ASSERT_EQ(stats.size(), 1u);
  EXPECT_EQ(stats.at("pytorch").sample_count, 2);
  EXPECT_GT(stats.at("pytorch").avg_throughput, 0);
  EXPECT_TRUE(std::isnan(manager.get_performance_stats("openvino").avg_latency_s));
}

TEST_F(ManagerTest, ManyThreadsLoadGenerateAndUnload) {
  ModelManagerOptions options;
  options.max_cached_models = 2;
  ModelManager manager(options);
  testing::write_tiny_gpt2("models/second", 2);
  testing::write_tiny_gpt2("models/third", 3);
  const std::vector<std::string> names{"tiny", "second", "third"};
  std::vector<std::string> expected;
  const GenerationConfig config{.max_new_tokens = 3};
  for (const auto& name : names) {
    manager.load_model(name);
    expected.push_back(manager.generate(name, "Hi", config));
  }
  std::atomic<int> wrong = 0, answered = 0;
  std::vector<std::jthread> threads;
  for (size_t t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < 12; ++i) {
        const size_t n = (i + t) % names.size();
        manager.load_model(names[n]);
        try {
          wrong += manager.generate(names[n], "Hi", config) != expected[n];
          ++answered;
        } catch (const InvalidInputError&) {  // evicted by another thread in between
        }
        if (i % 5 == 4) manager.unload_model(names[n]);
      }
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(answered, 0);
  EXPECT_LE(manager.get_cached_models().size(), 2u);
  EXPECT_LE(pytorch->live_models, 2);
}

}  // namespace
}  // namespace mm_orch::manager
