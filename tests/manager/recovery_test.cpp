// A generation or a scoring that OpenVINO fails in the middle goes on with PyTorch.
#include <gtest/gtest.h>

#include <filesystem>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

class Recovery : public ManagerTest {
 protected:
  Recovery() {
    ModelManager().export_model("tiny");
    ModelManager reference;
    reference.load_model("tiny");
    unbroken =
        reference.generate("tiny", std::vector<std::string>{"Hello", "a longer one"}, config);
  }

  // Breaks at the n-th step of the generation; the warm-up's are not counted.
  void fail_at(int64_t n, std::function<void()> fault) {
    openvino->at_step = [first = openvino->steps.load() + n, fault](int64_t step) {
      if (step == first) fault();
    };
  }

  GenerationConfig config{.max_new_tokens = 20};
  std::vector<GenerationResult> unbroken;
};

TEST_F(Recovery, EveryStepOfABatchEqualsAnUnbrokenRun) {
  for (int64_t n = 0; n < 20; ++n) {
    ModelManager manager(on("openvino"));
    manager.load_model("tiny");
    fail_at(n, [] { throw InferenceError("kernel failed"); });
    std::vector<std::string> streamed(2);
    auto streaming = config;
    streaming.stream = [&](size_t i, std::string_view piece) {
      streamed[i] += piece;
      return true;
    };
    const auto results =
        manager.generate("tiny", std::vector<std::string>{"Hello", "a longer one"}, streaming);
    openvino->at_step = {};
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(results[i].new_tokens, unbroken[i].new_tokens) << "step " << n;
      EXPECT_EQ(results[i].text, unbroken[i].text);
      EXPECT_EQ(streamed[i], unbroken[i].text);
      EXPECT_EQ(results[i].backend, "pytorch");
    }
    ASSERT_EQ(manager.get_fallback_events().size(), 1u);
    EXPECT_EQ(manager.get_fallback_events()[0].reason, FallbackReason::kInferenceFailed);
    EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");  // the next call tries again
  }
}

TEST_F(Recovery, SamplingGoesOnWithItsRandomState) {
  config.temperature = 1.0f;
  config.seed = 7;
  ModelManager reference;
  reference.load_model("tiny");
  const auto expected = reference.generate("tiny", "Hello", config);
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  fail_at(9, [] { throw InferenceError("kernel failed"); });
  EXPECT_EQ(manager.generate("tiny", "Hello", config), expected);
}

TEST_F(Recovery, NanMemoryAndUntypedFailures) {
  const std::vector<std::pair<std::function<void()>, FallbackReason>> faults{
      {[this] { openvino->nan_at_step = openvino->steps - 1; }, FallbackReason::kNumericFault},
      {[] { throw OutOfMemoryError("no memory"); }, FallbackReason::kOutOfMemory},
  };
  for (const auto& [fault, reason] : faults) {
    ModelManager manager(on("openvino"));
    manager.load_model("tiny");
    fail_at(3, fault);
    EXPECT_EQ(manager.generate("tiny", "Hello", config), "Hello" + unbroken[0].text);
    EXPECT_EQ(manager.get_fallback_events().at(0).reason, reason);
  }
}

TEST_F(Recovery, TheStandInIsLoadedOnceAndTheMovedCallIsNotTimed) {
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  const auto loads = pytorch->loads.load();
  openvino->at_step = [](int64_t) { throw InferenceError("kernel failed"); };
  for (int i = 0; i < 3; ++i) manager.generate("tiny", "Hello", config);
  EXPECT_EQ(pytorch->loads, loads + 1);
  EXPECT_EQ(manager.get_performance_stats("openvino").fallback_count, 3);
  EXPECT_TRUE(manager.get_performance_stats().empty());
}

TEST_F(Recovery, AFailureToOpenASessionMovesToo) {
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  openvino->at_session = [] { throw InferenceError("no request"); };
  EXPECT_EQ(manager.generate("tiny", "Hello", config), "Hello" + unbroken[0].text);
}

TEST_F(Recovery, ScoringMovesToo) {
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  const auto whole = manager.score("tiny", "Hello", {.stepwise = true});
  fail_at(2, [] { throw InferenceError("kernel failed"); });
  EXPECT_EQ(manager.score("tiny", "Hello", {.stepwise = true}).log_probabilities,
            whole.log_probabilities);
  EXPECT_EQ(manager.get_fallback_events().size(), 1u);
}

TEST_F(Recovery, WithoutFallbackTheFailureIsThrown) {
  ModelManager manager(with_config("{default: openvino, openvino: {enable_fallback: false}}"));
  manager.load_model("tiny");
  fail_at(3, [] { throw InferenceError("kernel failed"); });
  EXPECT_THROW(manager.generate("tiny", "Hello", config), InferenceError);
}

TEST_F(Recovery, OnPyTorchTheFailureIsThrown) {
  ModelManager manager;
  manager.load_model("tiny");
  pytorch->at_step = [](int64_t) { throw InferenceError("kernel failed"); };
  try {
    manager.generate("tiny", "Hello", config);
    ADD_FAILURE() << "no error";
  } catch (const InferenceError& error) {
    EXPECT_EQ(error.context().model, "tiny");
  }
  EXPECT_TRUE(manager.get_fallback_events().empty());
}

TEST_F(Recovery, WithTheExportedModelAloneThereIsNothingToMoveTo) {
  fs::remove_all("models/tiny");
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  EXPECT_EQ(manager.generate("tiny", "Hello", config), "Hello" + unbroken[0].text);
  fail_at(3, [] { throw InferenceError("kernel failed"); });
  const auto message = error_of([&] { manager.generate("tiny", "Hello", config); });
  EXPECT_TRUE(message.starts_with("kernel failed; PyTorch cannot take over: Model 'tiny' was not"))
      << message;
}

TEST_F(Recovery, OtherWeightsDoNotTakeOver) {
  fs::rename("models/tiny", "hidden");
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  testing::write_tiny_gpt2("models/tiny", 2);
  fail_at(3, [] { throw InferenceError("kernel failed"); });
  const auto message = error_of([&] { manager.generate("tiny", "Hello", config); });
  EXPECT_NE(message.find("holds other weights"), std::string::npos) << message;
}

}  // namespace
}  // namespace mm_orch::manager
