// Guesses from the text itself: what is found, and that no token changes by them.
#include "generation/lookup_draft.h"

#include <gtest/gtest.h>

#include "generation/guesses.h"
#include "generation/scheduled_model.h"
#include "support/token_cache.h"

namespace mm_orch::generation {
namespace {

using Tokens = std::vector<int64_t>;
using testing::CacheModel;
using testing::hashed_logits;
using testing::ModelSessions;
using testing::ScriptedProvider;
using testing::TokenCache;

Tokens guess_of(LookupDraft& draft, const Tokens& prompt, const Tokens& made) {
  const auto guess = draft.guess(prompt, made);
  return {guess.begin(), guess.end()};
}

Tokens round(int64_t length, int64_t period) {
  Tokens text;
  for (int64_t i = 0; i < length; ++i) text.push_back(i % period);
  return text;
}

TEST(LookupDraft, GoesOnAsTheLastTimeTheLongestMatchStood) {
  LookupDraft draft;
  EXPECT_EQ(guess_of(draft, {7, 2, 3, 4, 5, 9, 2, 3, 8, 8, 7, 2, 3}, {}),
            (Tokens{4, 5, 9, 2, 3, 8, 8, 7, 2, 3}));
  EXPECT_EQ(guess_of(draft, {7, 2, 3, 4, 5, 9, 2, 3, 8, 8, 7, 2, 3}, {6}), Tokens{});
  EXPECT_EQ(guess_of(draft, {7, 2, 3, 4, 5, 9, 2, 3, 8, 8, 7, 2, 3}, {6, 9}), (Tokens{2, 3}));
}

TEST(LookupDraft, GuessesNoMoreThanFollowed) {
  LookupDraft draft;
  EXPECT_EQ(guess_of(draft, {1, 1, 1}, {}), (Tokens{1}));
}

TEST(LookupDraft, GuessesFewerTokensAndThenNoneWhereTheyAreWrong) {
  LookupDraft draft;
  const Tokens pairs = {1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1, 7, 1};
  Tokens wrong;
  std::vector<size_t> sizes;
  for (int64_t i = 0; i < 7; ++i) {
    sizes.push_back(guess_of(draft, pairs, wrong).size());
    wrong.insert(wrong.end(), {20 + i, 1});
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{2, 2, 2, 1, 1, 0, 0}));
}

// It watches what it would have guessed.
TEST(LookupDraft, GuessesAgainWhereTheTextBeginsToRepeat) {
  LookupDraft draft;
  Tokens text = round(60, 20), made;
  for (int64_t i = 0; i < 12; ++i) {  // each time another token follows
    guess_of(draft, text, made);
    made.insert(made.end(), {100 + i, 14, 15, 16, 17, 18, 19});
    guess_of(draft, text, made);
  }
  made.push_back(200);
  guess_of(draft, text, made);
  EXPECT_TRUE(guess_of(draft, text, made).empty());
  for (int64_t i = 0; i < 60; ++i) {
    made.push_back(i % 20);
    guess_of(draft, text, made);
  }
  EXPECT_EQ(guess_of(draft, text, made).size(), 15U);
}

// Of steps of so many tokens, each measured often: {tokens, seconds}.
backend::StepCosts costs_of(const std::vector<std::pair<int64_t, double>>& steps) {
  backend::StepMeter meter;
  for (int i = 0; i < 20; ++i)
    for (const auto& [tokens, seconds] : steps) meter.measured(tokens, seconds);
  return meter.costs();
}

// A step of many tokens may take as long as many steps.
TEST(LookupDraft, GuessesAsManyTokensAsPay) {
  const Tokens prompt = round(60, 20);
  const auto guessed = [&](const backend::StepCosts& costs) {
    return LookupDraft().guess(prompt, {}, {.costs = costs}).size();
  };
  EXPECT_EQ(guessed(costs_of({{1, 0.01}, {9, 0.011}, {16, 0.012}})), 15U);
  EXPECT_EQ(guessed(costs_of({{1, 0.01}, {9, 0.011}, {16, 0.1}})), 8U);
  EXPECT_EQ(guessed(costs_of({{1, 0.01}, {2, 0.03}, {3, 0.05}, {5, 0.07}, {9, 0.1}, {16, 0.2}})),
            0U);
}

// What the others feed decides what one more token costs.
TEST(LookupDraft, GuessesLessWhereOthersGuess) {
  const Tokens prompt = round(60, 20);
  const auto costs = costs_of({{4, 0.01}, {8, 0.0105}, {12, 0.03}, {16, 0.04}, {24, 0.06}});
  const auto guessed = [&](int64_t tokens) {
    return LookupDraft()
        .guess(prompt, {}, {.together = 4, .tokens = tokens, .costs = costs})
        .size();
  };
  EXPECT_EQ(guessed(4), 4U);
  EXPECT_EQ(guessed(9), 0U);
}

TEST(LookupDraft, PromisesTextsThatShareTheStepAndADraftModelMoreThanItTakes) {
  LookupDraft draft;
  const Tokens prompt = round(60, 20);
  EXPECT_EQ(draft.guess(prompt, {}, {.together = 1}).size(), 15U);
  EXPECT_EQ(draft.guess(prompt, {}, {.together = 8, .tokens = 8}).size(), 8U);
  EXPECT_TRUE(draft.guess(prompt, {}, {.together = 32, .tokens = 32}).empty());
  EXPECT_EQ(draft.guess(prompt, {}, {}, 2.0).size(), 15U);
  EXPECT_TRUE(draft.guess(prompt, {}, {}, 5.0).empty());
  EXPECT_EQ(draft.guess(prompt, {}, {.most = 3}).size(), 3U);
  EXPECT_TRUE(draft.guess(prompt, {}, {.most = 0}).empty());
}

// Rows of a list are fed in one step.
TEST(LookupDraft, GuessesOnTopOfWhatRowsBeforeItGuess) {
  ResolvedConfig config;
  Guesses guesses(config, 2);
  const Tokens prompt = round(60, 20), made;
  const std::vector<GrowingText> texts{{0, &prompt, &made}, {1, &prompt, &made}};
  const auto costs = costs_of(
      {{1, 0.01}, {2, 0.01}, {8, 0.0105}, {10, 0.011}, {12, 0.04}, {16, 0.08}, {24, 0.12}});
  const auto found = guesses.guess(texts, {.together = 2, .tokens = 2, .costs = costs});
  EXPECT_EQ(found[0].size(), 8U);
  EXPECT_EQ(found[1].size(), 0U);
}

// Logits of a text that counts round and round, and loses its place now and then.
std::vector<float> counting(std::span<const int64_t> history) {
  auto logits = hashed_logits(history, 50, 3.0f);
  if (history.size() % 23 != 0) logits[static_cast<size_t>((history.back() + 1) % 12)] += 4.0f;
  return logits;
}

class Speculation : public ::testing::TestWithParam<bool> {};

TEST_P(Speculation, GivesTheSameTokensInFewerSteps) {
  ResolvedConfig config;
  config.max_new_tokens = 150;
  config.do_sample = GetParam();
  config.temperature = 0.3f;
  config.repetition_penalty = GetParam() ? 1.02f : 1.0f;
  int64_t steps = 0, tokens = 0, accepted = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    config.seed = seed;
    Tokens prompt;
    for (int64_t i = 0; i < 40; ++i) prompt.push_back((i * (static_cast<int64_t>(seed) + 3)) % 17);
    const std::vector<Tokens> prompts{prompt};
    ScriptedProvider plain([](std::span<const int64_t> history) { return counting(history); });
    const auto wanted = generate(plain, nullptr, prompts, config)[0];

    TokenCache cache(128);
    cache.logits_of = [](std::span<const int64_t> history) { return counting(history); };
    ModelSessions sessions(ScheduledModel::schedule(std::make_shared<CacheModel>(cache), {}));
    const auto result = generate(sessions, nullptr, prompts, config)[0];
    EXPECT_EQ(result.new_tokens, wanted.new_tokens) << seed;
    steps += cache.steps;
    EXPECT_GE(result.draft_tokens, result.accepted_draft_tokens);
    accepted += result.accepted_draft_tokens;
    tokens += static_cast<int64_t>(result.new_tokens.size());
    EXPECT_EQ(cache.pool().taken(), 0);
  }
  EXPECT_LT(steps, tokens * 3 / 4);
  EXPECT_EQ(steps + accepted, tokens);
}

TEST_P(Speculation, GuessesNothingWherePromptLookupIsOff) {
  ResolvedConfig config;
  config.max_new_tokens = 60;
  config.do_sample = GetParam();
  config.temperature = 0.3f;
  config.prompt_lookup = false;
  TokenCache cache(128);
  cache.logits_of = [](std::span<const int64_t> history) { return counting(history); };
  ModelSessions sessions(ScheduledModel::schedule(std::make_shared<CacheModel>(cache), {}));
  const std::vector<Tokens> prompts{{1, 2, 3, 1, 2, 3, 1, 2, 3}};
  const auto result = generate(sessions, nullptr, prompts, config)[0];
  EXPECT_EQ(result.draft_tokens, 0);
  EXPECT_EQ(cache.steps, static_cast<int64_t>(result.new_tokens.size()));
}

INSTANTIATE_TEST_SUITE_P(Decoding, Speculation, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Sampled" : "Greedy"; });

}  // namespace
}  // namespace mm_orch::generation
