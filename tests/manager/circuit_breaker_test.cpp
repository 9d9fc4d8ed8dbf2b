#include "manager/circuit_breaker.h"

#include <gtest/gtest.h>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

class Breaker : public ::testing::Test {
 protected:
  std::chrono::steady_clock::time_point now{};
  CircuitBreaker breaker{2, 30, [this] { return now; }};
};

TEST_F(Breaker, OpensAfterFailuresInARow) {
  EXPECT_FALSE(breaker.failed());
  EXPECT_FALSE(breaker.succeeded());  // the row is broken
  EXPECT_FALSE(breaker.failed());
  EXPECT_TRUE(breaker.allow());
  EXPECT_TRUE(breaker.failed());
  EXPECT_FALSE(breaker.allow());
}

TEST_F(Breaker, LetsOneCallTryAfterTheWait) {
  breaker.failed();
  breaker.failed();
  now += std::chrono::seconds(29);
  EXPECT_FALSE(breaker.allow());
  now += std::chrono::seconds(1);
  EXPECT_TRUE(breaker.allow());
  EXPECT_FALSE(breaker.allow());  // the trial is under way
  EXPECT_TRUE(breaker.succeeded());
  EXPECT_TRUE(breaker.allow());
  EXPECT_TRUE(breaker.allow());
}

TEST_F(Breaker, AFailedTrialOpensItAgainAtOnce) {
  breaker.failed();
  breaker.failed();
  now += std::chrono::seconds(30);
  EXPECT_TRUE(breaker.allow());
  EXPECT_TRUE(breaker.failed());
  EXPECT_FALSE(breaker.allow());
  now += std::chrono::seconds(30);
  EXPECT_TRUE(breaker.allow());
  breaker.abandoned();  // cancelled: the next call may try
  EXPECT_TRUE(breaker.allow());
}

class BreakerInManager : public ManagerTest {
 protected:
  BreakerInManager() { ModelManager().export_model("tiny"); }

  static ModelManagerOptions options(const std::string& breaker) {
    return {.backend = "openvino",
            .config_path = {},
            .config_text = "openvino: {circuit_breaker: {" + breaker + "}}"};
  }
  GenerationConfig config{.max_new_tokens = 3};
};

TEST_F(BreakerInManager, StopsTryingABackendThatKeepsFailing) {
  ModelManager manager(options("failures: 2, retry_after_seconds: 1000"));
  manager.load_model("tiny");
  const auto expected = [&] {
    ModelManager reference;
    reference.load_model("tiny");
    return reference.generate("tiny", "abc", config);
  }();
  openvino->at_step = [](int64_t) { throw InferenceError("kernel failed"); };
  for (int call = 0; call < 4; ++call) EXPECT_EQ(manager.generate("tiny", "abc", config), expected);
  EXPECT_EQ(manager.get_fallback_events().size(), 2u);
  EXPECT_EQ(manager.get_performance_stats("pytorch").sample_count, 2);
  const auto steps = openvino->steps.load();
  manager.generate("tiny", "abc", config);
  EXPECT_EQ(openvino->steps, steps);
  EXPECT_NE(warnings.back().find("keeps failing"), std::string::npos) << warnings.back();
}

TEST_F(BreakerInManager, GoesBackOnceItWorks) {
  ModelManager manager(options("failures: 1, retry_after_seconds: 1"));
  manager.load_model("tiny");
  openvino->at_step = [](int64_t) { throw InferenceError("kernel failed"); };
  manager.generate("tiny", "abc", config);
  openvino->at_step = {};
  const auto backend_of = [&] {
    return manager.generate("tiny", std::vector<std::string>{"abc"}, config)[0].backend;
  };
  // Polls: the wait is one second, however slow the machine is.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (backend_of() != "openvino" && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_EQ(backend_of(), "openvino");
}

TEST_F(BreakerInManager, OffMeansEveryCallTries) {
  ModelManager manager(options("failures: 0"));
  manager.load_model("tiny");
  openvino->at_step = [](int64_t) { throw InferenceError("kernel failed"); };
  for (int call = 0; call < 5; ++call) manager.generate("tiny", "abc", config);
  EXPECT_EQ(manager.get_fallback_events().size(), 5u);
}

}  // namespace
}  // namespace mm_orch::manager
