#include "generation/generator.h"

#include <gtest/gtest.h>

#include "support/scripted_session.h"

namespace mm_orch::generation {
namespace {

using testing::hashed_logits;
using testing::ScriptedProvider;

constexpr int64_t kVocabulary = 97;

ScriptedProvider hashed_provider() {
  return ScriptedProvider(
      [](std::span<const int64_t> history) { return hashed_logits(history, kVocabulary); });
}

ResolvedConfig length(int64_t max_new_tokens) {
  ResolvedConfig config;
  config.max_new_tokens = max_new_tokens;
  return config;
}

ResolvedConfig sampled(int64_t max_new_tokens, uint64_t seed = 7) {
  ResolvedConfig config = length(max_new_tokens);
  config.do_sample = true;
  config.top_p = 0.95f;
  config.repetition_penalty = 1.1f;
  config.seed = seed;
  return config;
}

std::vector<GenerationResult> run(ScriptedProvider& provider,
                                  const std::vector<std::vector<int64_t>>& prompts,
                                  const ResolvedConfig& config) {
  return generate(provider, nullptr, prompts, config);
}

std::vector<std::vector<int64_t>> new_tokens(const std::vector<GenerationResult>& results) {
  std::vector<std::vector<int64_t>> tokens;
  for (const auto& result : results) tokens.push_back(result.new_tokens);
  return tokens;
}

// Greedy by hand, one sequence, no session.
std::vector<int64_t> expected_greedy(std::vector<int64_t> history, int64_t count) {
  std::vector<int64_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    const auto logits = hashed_logits(history, kVocabulary);
    tokens.push_back(std::max_element(logits.begin(), logits.end()) - logits.begin());
    history.push_back(tokens.back());
  }
  return tokens;
}

std::vector<int64_t> long_prompt(int64_t size) {
  std::vector<int64_t> prompt(size);
  for (int64_t i = 0; i < size; ++i) prompt[i] = (i * 31) % kVocabulary;
  return prompt;
}

TEST(Generator, TakesTheMostLikelyTokenAfterAllTokensSoFar) {
  auto provider = hashed_provider();
  const auto results = run(provider, {{1, 2, 3}}, length(12));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].new_tokens, expected_greedy({1, 2, 3}, 12));
  EXPECT_EQ(results[0].prompt_tokens, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(results[0].finish_reason, FinishReason::kLength);
  EXPECT_EQ(results[0].backend, "first");
  EXPECT_GT(results[0].time_to_first_token_s, 0);
  EXPECT_GE(results[0].latency_s, results[0].time_to_first_token_s);
  EXPECT_EQ(provider.opened[0].batch, 1);
  EXPECT_TRUE(provider.opened[0].padding.empty());
  EXPECT_EQ(provider.opened[0].capacity, 3 + 11);
  EXPECT_EQ(provider.script->steps, 12);
  EXPECT_EQ(provider.script->live_sessions, 0);
}

TEST(Generator, GivesEachSequenceOfABatchWhatItGetsAlone) {
  const std::vector<std::vector<int64_t>> prompts = {{5}, long_prompt(40), {7, 8, 9}, {5}};
  auto provider = hashed_provider();
  const auto results = run(provider, prompts, length(9));
  for (size_t b = 0; b < prompts.size(); ++b) {
    EXPECT_EQ(results[b].new_tokens, expected_greedy(prompts[b], 9)) << b;
  }
  EXPECT_EQ(provider.opened[0].padding, (std::vector<int64_t>{39, 0, 37, 39}));
  EXPECT_EQ(provider.opened.size(), 1u);
}

TEST(Generator, SamplesEachSequenceFromItsOwnStream) {
  auto provider = hashed_provider();
  const auto results = run(provider, {{5}, {5}}, sampled(20));
  EXPECT_NE(results[0].new_tokens, results[1].new_tokens);
  auto again = hashed_provider();
  EXPECT_EQ(new_tokens(run(again, {{5}, {5}}, sampled(20))), new_tokens(results));
  auto other = hashed_provider();
  EXPECT_NE(new_tokens(run(other, {{5}, {5}}, sampled(20, 8))), new_tokens(results));
}

TEST(Generator, EndsAtAnyEosAndKeepsItInTheTokens) {
  const auto all = expected_greedy({1, 2, 3}, 30);
  for (size_t end : {0, 1, 6}) {
    auto provider = hashed_provider();
    ResolvedConfig config = length(30);
    config.eos_token_ids = {kVocabulary + 5, all[end]};
    const auto first = std::find(all.begin(), all.end(), all[end]);
    const auto results = run(provider, {{1, 2, 3}}, config);
    EXPECT_EQ(results[0].new_tokens, std::vector<int64_t>(all.begin(), first + 1));
    EXPECT_EQ(results[0].finish_reason, FinishReason::kEos);
    EXPECT_EQ(provider.script->steps, first - all.begin() + 1);
  }
}

TEST(Generator, GoesOnWithTheOthersWhenASequenceEnds) {
  const auto first = expected_greedy({1, 2, 3}, 20);
  const auto second = expected_greedy({4}, 20);
  ASSERT_EQ(std::count(second.begin(), second.end(), first[2]), 0);
  auto provider = hashed_provider();
  ResolvedConfig config = length(20);
  config.eos_token_ids = {first[2]};
  const auto results = run(provider, {{1, 2, 3}, {4}}, config);
  EXPECT_EQ(results[0].new_tokens, std::vector<int64_t>(first.begin(), first.begin() + 3));
  EXPECT_EQ(results[0].finish_reason, FinishReason::kEos);
  EXPECT_EQ(results[1].new_tokens, second);
  EXPECT_EQ(results[1].finish_reason, FinishReason::kLength);
}

TEST(Generator, IgnoresEosForTheMinimumLength) {
  auto provider = hashed_provider();
  const auto all = expected_greedy({1, 2, 3}, 30);
  ResolvedConfig config = length(30);
  config.eos_token_ids = {all[0]};
  config.min_new_tokens = 4;
  const auto results = run(provider, {{1, 2, 3}}, config);
  EXPECT_GE(results[0].new_tokens.size(), 4u);
  const auto& tokens = results[0].new_tokens;
  EXPECT_EQ(std::count(tokens.begin(), tokens.begin() + 4, all[0]), 0);
}

TEST(Generator, FeedsALongPromptInSeveralSteps) {
  auto provider = hashed_provider();
  const auto prompt = long_prompt(2 * kPrefillChunk + 1);
  const auto results = run(provider, {prompt, {3, 4}}, length(3));
  EXPECT_EQ(results[0].new_tokens, expected_greedy(prompt, 3));
  EXPECT_EQ(results[1].new_tokens, expected_greedy({3, 4}, 3));
  EXPECT_EQ(provider.script->largest_step, kPrefillChunk);
  EXPECT_EQ(provider.script->steps, 3 + 2);
}

TEST(Generator, RefusesAnEmptyPromptAndTakesAnEmptyBatch) {
  auto provider = hashed_provider();
  EXPECT_THROW(run(provider, {{1}, {}}, length(3)), InvalidInputError);
  EXPECT_TRUE(run(provider, {}, length(3)).empty());
  EXPECT_TRUE(provider.opened.empty());
}

TEST(Generator, RefusesStopStringsWithoutATokenizer) {
  auto provider = hashed_provider();
  ResolvedConfig config = length(3);
  config.stop_strings = {"x"};
  EXPECT_THROW(run(provider, {{1}}, config), InvalidInputError);
}

TEST(Generator, ReturnsWhatItHasWhenCancelledBetweenTokens) {
  auto provider = hashed_provider();
  auto cancel = std::make_shared<CancelToken>();
  ResolvedConfig config = length(20);
  config.cancel = cancel;
  provider.script->before_step = [&](int64_t n) {
    if (n == 4) cancel->cancel();
  };
  const auto results = run(provider, {{1, 2, 3}, {4}}, config);
  EXPECT_EQ(results[0].new_tokens, expected_greedy({1, 2, 3}, 5));
  EXPECT_EQ(results[1].new_tokens, expected_greedy({4}, 5));
  for (const auto& result : results) EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
}

TEST(Generator, StopsBetweenTheStepsOfALongPrompt) {
  auto provider = hashed_provider();
  auto cancel = std::make_shared<CancelToken>();
  ResolvedConfig config = length(20);
  config.cancel = cancel;
  provider.script->before_step = [&](int64_t) { cancel->cancel(); };
  const auto results = run(provider, {long_prompt(5 * kPrefillChunk)}, config);
  EXPECT_TRUE(results[0].new_tokens.empty());
  EXPECT_EQ(results[0].finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(provider.script->steps, 1);
}

struct ThrowingToken : CancelToken {
  bool cancelled() const override { throw std::runtime_error("interrupted"); }
};

TEST(Generator, LetsTheCancelTokensExceptionThrough) {
  auto provider = hashed_provider();
  ResolvedConfig config = length(20);
  config.cancel = std::make_shared<ThrowingToken>();
  EXPECT_THROW(run(provider, {{1}}, config), std::runtime_error);
  EXPECT_EQ(provider.script->live_sessions, 0);
}

}  // namespace
}  // namespace mm_orch::generation
