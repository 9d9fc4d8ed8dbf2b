// A generation moves to another session after a failed step: tokens, random state and
// stream go on as if nothing had happened.
#include <gtest/gtest.h>

#include "generation/generator.h"
#include "support/scripted_session.h"

namespace mm_orch::generation {
namespace {

using testing::hashed_logits;
using testing::ScriptedProvider;

constexpr int64_t kVocabulary = 61;
const std::vector<std::vector<int64_t>> kPrompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}};

ScriptedProvider hashed_provider() {
  return ScriptedProvider(
      [](std::span<const int64_t> history) { return hashed_logits(history, kVocabulary); });
}

ResolvedConfig config_of(bool do_sample) {
  ResolvedConfig config;
  config.max_new_tokens = 10;
  config.do_sample = do_sample;
  config.temperature = 1.2f;
  config.top_k = do_sample ? 30 : 0;
  config.repetition_penalty = 1.1f;
  config.seed = 99;
  // Ends the first sequence early, so that later recoveries replay fewer sequences.
  ResolvedConfig probe = config;
  auto provider = hashed_provider();
  config.eos_token_ids = {generate(provider, nullptr, kPrompts, probe)[0].new_tokens[3]};
  return config;
}

void expect_same(const std::vector<GenerationResult>& a, const std::vector<GenerationResult>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].new_tokens, b[i].new_tokens);
    EXPECT_EQ(a[i].finish_reason, b[i].finish_reason);
  }
}

class Recovery : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    config_ = config_of(GetParam());
    auto provider = hashed_provider();
    unbroken_ = generate(provider, nullptr, kPrompts, config_);
    steps_ = provider.script->steps;
    ASSERT_GE(steps_, 10);
  }

  ResolvedConfig config_;
  std::vector<GenerationResult> unbroken_;
  int64_t steps_ = 0;
};

TEST_P(Recovery, AfterAFailureAtAnyStepGoesOnAsIfUnbroken) {
  for (int64_t failing = 0; failing < steps_; ++failing) {
    SCOPED_TRACE(failing);
    auto provider = hashed_provider();
    provider.script->before_step = [failing](int64_t n) {
      if (n == failing) throw InferenceError("injected");
    };
    const auto results = generate(provider, nullptr, kPrompts, config_);
    expect_same(results, unbroken_);
    EXPECT_EQ(provider.errors, (std::vector<ErrorCode>{ErrorCode::kInference}));
    EXPECT_EQ(provider.script->steps, steps_ + 1);
    EXPECT_EQ(provider.script->live_sessions, 0);
  }
}

TEST_P(Recovery, AfterNanInTheLogitsGoesOnAsIfUnbroken) {
  for (int64_t failing = 0; failing < 3; ++failing) {
    auto provider = hashed_provider();
    provider.script->nan_at_step = failing;
    expect_same(generate(provider, nullptr, kPrompts, config_), unbroken_);
    EXPECT_EQ(provider.errors, (std::vector<ErrorCode>{ErrorCode::kNumericFault}));
  }
}

TEST_P(Recovery, SurvivesAFailureOfEverySecondStep) {
  auto provider = hashed_provider();
  provider.script->before_step = [](int64_t n) {
    if (n % 2 == 0) throw OutOfMemoryError("injected");
  };
  expect_same(generate(provider, nullptr, kPrompts, config_), unbroken_);
  EXPECT_EQ(provider.errors.size(), static_cast<size_t>(steps_));
  EXPECT_EQ(provider.errors.front(), ErrorCode::kOutOfMemory);
}

// Encoder-decoder models: each sequence keeps its own source, also once others have ended.
TEST_P(Recovery, KeepsEachSequencesSource) {
  const std::vector<std::vector<int64_t>> starts(kPrompts.size(), {0});
  auto provider = hashed_provider();
  const auto unbroken = generate(provider, nullptr, starts, config_, kPrompts);
  EXPECT_NE(unbroken[0].new_tokens, unbroken[1].new_tokens);
  const int64_t steps = provider.script->steps;
  for (int64_t failing = 0; failing < steps; ++failing) {
    SCOPED_TRACE(failing);
    auto broken = hashed_provider();
    broken.script->before_step = [failing](int64_t n) {
      if (n == failing) throw InferenceError("injected");
    };
    expect_same(generate(broken, nullptr, starts, config_, kPrompts), unbroken);
  }
}

INSTANTIATE_TEST_SUITE_P(GreedyAndSampled, Recovery, ::testing::Bool(),
                         [](const auto& option) { return option.param ? "Sampled" : "Greedy"; });

TEST(RecoveryOf, AStepNamesTheBackendThatMadeTheLastToken) {
  const ResolvedConfig config = config_of(false);
  auto provider = hashed_provider();
  provider.script->before_step = [](int64_t n) {
    if (n == 6) throw DeviceError("injected");
  };
  const auto results = generate(provider, nullptr, kPrompts, config);
  EXPECT_EQ(results[0].backend, "first");
  EXPECT_EQ(results[1].backend, "second");
  EXPECT_EQ(provider.opened[1].batch, 2) << "ended sequences are not replayed";
  EXPECT_EQ(provider.opened[1].padding, (std::vector<int64_t>{4, 0}));
}

TEST(RecoveryOf, AStepPassesTheErrorOnWhenTheProviderGivesUp) {
  auto provider = hashed_provider();
  provider.recovers = false;
  provider.script->before_step = [](int64_t n) {
    if (n == 2) throw InferenceError("injected", {.model = "gpt2", .backend = "x"});
  };
  try {
    generate(provider, nullptr, kPrompts, config_of(false));
    FAIL() << "nothing was thrown";
  } catch (const InferenceError& error) {
    EXPECT_STREQ(error.what(), "injected");
    EXPECT_EQ(error.context().model, "gpt2");
  }
  EXPECT_EQ(provider.script->live_sessions, 0);
}

TEST(RecoveryOf, AStepIsNotTriedForTheCallersOwnErrors) {
  for (const ErrorCode code : {ErrorCode::kInvalidInput, ErrorCode::kCancelled}) {
    auto provider = hashed_provider();
    provider.script->before_step = [code](int64_t) { throw_error(code, "injected"); };
    EXPECT_THROW(generate(provider, nullptr, kPrompts, config_of(false)), MuAIError);
    EXPECT_TRUE(provider.errors.empty());
    EXPECT_EQ(provider.opened.size(), 1u);
  }
}

TEST(RecoveryOf, AStepIsCheckedForCancellationToo) {
  auto provider = hashed_provider();
  auto cancel = std::make_shared<CancelToken>();
  ResolvedConfig config = config_of(false);
  config.cancel = cancel;
  provider.script->before_step = [&](int64_t n) {
    if (n == 3) cancel->cancel();
    if (n >= 3) throw InferenceError("injected");
  };
  const auto results = generate(provider, nullptr, kPrompts, config);
  EXPECT_EQ(results[1].finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(results[1].new_tokens.size(), 3u);
}

}  // namespace
}  // namespace mm_orch::generation
