// Guesses of a draft model: how many it gives, and that no token changes by them, however good
// they are and whatever happens to the draft model.
#include "generation/model_draft.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "scheduled_house.h"

namespace mm_orch::generation {
namespace {

using Tokens = std::vector<int64_t>;
using Logits = std::vector<float>;

// --- the pace

constexpr GuessCost kCheap{.drafting = 0.1, .check = 1.1};

int64_t next_guess(DraftPace& pace) {
  for (int64_t waited = 0; waited < 1000; ++waited)
    if (const int64_t count = pace.next()) return count;
  return 0;
}

int64_t pause_of(DraftPace& pace) {
  int64_t steps = 0;
  while (pace.next() == 0) ++steps;
  return steps;
}

TEST(DraftPace, LeavesTheFirstStepsPlainSoThatTheyAreMeasured) {
  DraftPace pace;
  EXPECT_EQ(pause_of(pace), 3);
}

TEST(DraftPace, GuessesMoreWhereGuessesAreRightAndCheap) {
  DraftPace pace;
  for (int i = 0; i < 30; ++i) {
    const int64_t count = next_guess(pace);
    pace.judge(count, count, kCheap);
  }
  EXPECT_EQ(next_guess(pace), DraftPace::kMost);
  EXPECT_GT(pace.gain(), 2.0);
}

TEST(DraftPace, GuessesFewerWhereHalfAreWrong) {
  DraftPace pace;
  for (int i = 0; i < 60; ++i) {
    const int64_t count = next_guess(pace);
    pace.judge(count, count / 2,
               GuessCost{.drafting = 0.15 * static_cast<double>(count), .check = 1.1});
  }
  const int64_t count = next_guess(pace);
  EXPECT_GE(count, 1);
  EXPECT_LE(count, 4);
}

TEST(DraftPace, PausesWhereGuessesAreWrongLongerEachTime) {
  DraftPace pace;
  std::vector<int64_t> pauses;
  for (int i = 0; i < 40; ++i) {
    const int64_t count = next_guess(pace);
    pace.judge(count, 0, kCheap);
    if (pace.pause() > 0) pauses.push_back(pause_of(pace));
  }
  ASSERT_GE(pauses.size(), 8U);
  EXPECT_EQ(pauses[0], 4);
  EXPECT_EQ(pauses[1], 8);
  EXPECT_EQ(pauses.back(), 128);
  EXPECT_EQ(pace.gain(), 1.0);
}

TEST(DraftPace, PausesWhereADraftIsAsSlowAsTheModelAndAllIsRight) {
  DraftPace pace;
  bool paused = false;
  for (int i = 0; i < 20 && !paused; ++i) {
    const int64_t count = next_guess(pace);
    pace.judge(count, count, GuessCost{.drafting = static_cast<double>(count), .check = 1.2});
    paused = pace.pause() > 0;
  }
  EXPECT_TRUE(paused);
}

TEST(DraftPace, PausesLongAtOnceWhereNoGuessCanPayAndTheNextTextKnows) {
  DraftPace pace;
  for (int i = 0; i < 2; ++i) {
    const int64_t count = next_guess(pace);
    pace.judge(count, count,
               GuessCost{.drafting = 0.95 * static_cast<double>(count), .check = 1.2});
  }
  EXPECT_EQ(pace.pause(), 128);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(pace.next(), 0);
  DraftPace next = pace.for_next_text();
  EXPECT_EQ(pause_of(next), 28);
}

TEST(DraftPace, TheNextTextBeginsPlainWithTheLengthThatWasBest) {
  DraftPace pace;
  for (int i = 0; i < 30; ++i) {
    const int64_t count = next_guess(pace);
    pace.judge(count, count, kCheap);
  }
  DraftPace next = pace.for_next_text();
  EXPECT_EQ(pause_of(next), 3);
  EXPECT_EQ(next.next(), DraftPace::kMost);
}

TEST(DraftPace, GuessesAgainOnceTheTextHasBecomeEasy) {
  DraftPace pace;
  for (int i = 0; i < 40; ++i) pace.judge(next_guess(pace), 0, kCheap);
  int64_t probes = 0;
  do {
    const int64_t count = next_guess(pace);
    pace.judge(count, count, kCheap);
    ++probes;
  } while (pace.pause() > 0);
  EXPECT_LE(probes, 2);
}

// --- generations

// What the large model says is hashed; the draft says the same, but where `wrong` says otherwise.
struct Pair {
  explicit Pair(int64_t draft_blocks = 128) : target(128), draft(draft_blocks) {}

  std::shared_ptr<DraftModel> model() {
    auto model = std::make_shared<DraftModel>();
    model->model = draft.model;
    model->vocabulary = kVocabulary;
    model->failed = [this](const MuAIError& error) { failures.emplace_back(error.what()); };
    return model;
  }
  void draft_is_wrong(std::function<bool(std::span<const int64_t>)> wrong) {
    draft.cache.logits_of = [wrong](std::span<const int64_t> history) {
      auto logits = hashed_logits(history, kVocabulary);
      if (wrong(history)) std::ranges::for_each(logits, [](float& logit) { logit = -logit; });
      return logits;
    };
  }

  House target, draft;
  std::vector<std::string> failures;
};

class Drafting : public ::testing::TestWithParam<bool> {
 protected:
  ResolvedConfig config(int64_t new_tokens, uint64_t seed = 1) const {
    auto config = config_of(new_tokens, seed, GetParam());
    config.temperature = 0.4f;
    return config;
  }
};

TEST_P(Drafting, ChangesNoTokenHoweverGoodTheDraftIs) {
  const std::vector<std::function<bool(std::span<const int64_t>)>> kinds{
      [](auto) { return false; }, [](auto history) { return history.size() % 3 == 0; },
      [](auto history) { return history.back() % 2 == 0; }, [](auto) { return true; }};
  for (size_t kind = 0; kind < kinds.size(); ++kind) {
    int64_t steps = 0, tokens = 0, accepted = 0;
    for (uint64_t seed = 0; seed < 6; ++seed) {
      Pair pair;
      pair.draft_is_wrong(kinds[kind]);
      auto asked = config(120, seed);
      asked.prompt_lookup = false;
      const auto prompt = prompt_of(seed, 9 + 7 * seed);
      const auto wanted = expected(prompt, asked);
      asked.draft = pair.model();
      const auto result = pair.target.generate({prompt}, asked)[0];
      EXPECT_EQ(result.new_tokens, wanted) << kind << ", " << seed;
      EXPECT_EQ(pair.target.cache.pool().taken(), 0);
      EXPECT_EQ(pair.draft.cache.pool().taken(), 0);
      EXPECT_TRUE(pair.failures.empty());
      EXPECT_GT(result.draft_tokens, 0);
      steps += pair.target.cache.steps;
      accepted += result.accepted_draft_tokens;
      tokens += static_cast<int64_t>(result.new_tokens.size());
    }
    EXPECT_EQ(steps + accepted, tokens) << kind;
    if (GetParam()) continue;
    if (kind == 0) {
      EXPECT_LT(steps, tokens / 2);
    } else if (kind == 3) {
      EXPECT_EQ(accepted, 0);
    }
  }
}

TEST_P(Drafting, GoesOnWithoutADraftModelThatFails) {
  for (const int64_t failing : {0, 1, 5, 8}) {
    Pair pair;
    auto asked = config(60);
    const auto prompt = prompt_of(3, 20);
    const auto wanted = expected(prompt, asked);
    asked.draft = pair.model();
    pair.draft.cache.before_step = [&](auto) {
      if (pair.draft.cache.steps >= failing) throw InferenceError("kernel failed");
    };
    EXPECT_EQ(pair.target.generate({prompt}, asked)[0].new_tokens, wanted) << failing;
    EXPECT_EQ(pair.failures, std::vector<std::string>{"kernel failed"}) << failing;
    EXPECT_EQ(pair.draft.cache.pool().taken(), 0);
  }
}

TEST_P(Drafting, GoesOnWithoutADraftModelThatGivesNan) {
  Pair pair;
  pair.draft.cache.logits_of = [](std::span<const int64_t> history) {
    auto logits = hashed_logits(history, kVocabulary);
    if (history.size() > 30) logits[3] = std::nanf("");
    return logits;
  };
  auto asked = config(60);
  const auto prompt = prompt_of(3, 20);
  const auto wanted = expected(prompt, asked);
  asked.draft = pair.model();
  EXPECT_EQ(pair.target.generate({prompt}, asked)[0].new_tokens, wanted);
  EXPECT_EQ(pair.failures.size(), 1U);
}

TEST_P(Drafting, GoesOnWithoutADraftModelWhoseCacheIsTooSmall) {
  Pair pair(8);  // 32 tokens
  auto asked = config(60);
  const auto prompt = prompt_of(3, 20);
  const auto wanted = expected(prompt, asked);
  asked.draft = pair.model();
  const auto result = pair.target.generate({prompt}, asked)[0];
  EXPECT_EQ(result.new_tokens, wanted);
  EXPECT_GT(result.draft_tokens, 0);
  EXPECT_EQ(pair.failures.size(), 1U);
}

TEST_P(Drafting, StopsWhereTheDraftsContextEnds) {
  Pair pair;
  auto asked = config(60);
  const auto prompt = prompt_of(3, 20);
  const auto wanted = expected(prompt, asked);
  auto model = pair.model();
  model->context_length = 40;
  asked.draft = model;
  int64_t longest = 0;
  pair.draft.cache.before_step = [&](std::span<const backend::SequenceStep> steps) {
    for (const auto& step : steps)
      longest = std::max(longest, step.past + static_cast<int64_t>(step.tokens.size()));
  };
  EXPECT_EQ(pair.target.generate({prompt}, asked)[0].new_tokens, wanted);
  EXPECT_TRUE(pair.failures.empty());
  EXPECT_GT(longest, 20);
  EXPECT_LE(longest, 40);
}

// Neither fed to the draft nor guessed: ids beyond those that both know.
TEST_P(Drafting, StopsAtATokenThatTheDraftDoesNotKnow) {
  Pair pair;
  auto asked = config(60);
  const auto prompt = prompt_of(3, 20);
  const auto wanted = expected(prompt, asked);
  auto model = pair.model();
  model->vocabulary = 47;
  asked.draft = model;
  int64_t largest = 0;
  pair.draft.cache.before_step = [&](std::span<const backend::SequenceStep> steps) {
    for (const auto& step : steps)
      largest = std::max(largest, *std::ranges::max_element(step.tokens));
  };
  EXPECT_EQ(pair.target.generate({prompt}, asked)[0].new_tokens, wanted);
  EXPECT_LT(largest, 47);
}

TEST_P(Drafting, SurvivesAFailureOfTheLargeModel) {
  for (const int64_t failing : {0, 3, 6, 9}) {
    Pair pair;
    House second(128);
    auto asked = config(60);
    const auto prompt = prompt_of(3, 20);
    const auto wanted = expected(prompt, asked);
    asked.draft = pair.model();
    pair.target.cache.before_step = [&](auto) {
      if (pair.target.cache.steps == failing) throw InferenceError("kernel failed");
    };
    ModelSessions standby(second.model), sessions(pair.target.model);
    sessions.standby = &standby;
    const auto result =
        generation::generate(sessions, nullptr, std::vector<Tokens>{prompt}, asked)[0];
    EXPECT_EQ(result.new_tokens, wanted) << failing;
    EXPECT_EQ(sessions.recoveries, 1);
  }
}

TEST_P(Drafting, CancelledWhileTheDraftWorksMakesNoTokenMore) {
  Pair pair;
  auto asked = config(60);
  auto token = std::make_shared<CancelToken>();
  asked.cancel = token;
  asked.draft = pair.model();
  int64_t steps_of_target = 0;
  pair.draft.cache.before_step = [&](auto) {
    if (pair.draft.cache.steps != 4) return;
    token->cancel();
    steps_of_target = pair.target.cache.steps;
  };
  const auto result = pair.target.generate({prompt_of(3, 20)}, asked)[0];
  EXPECT_EQ(result.finish_reason, FinishReason::kCancelled);
  EXPECT_GT(steps_of_target, 0);
  EXPECT_EQ(pair.target.cache.steps, steps_of_target);
  EXPECT_TRUE(pair.failures.empty());
  EXPECT_EQ(pair.draft.cache.pool().taken(), 0);
}

TEST_P(Drafting, TheNextTextKnowsThatNoGuessWasRight) {
  Pair pair;
  pair.draft_is_wrong([](auto) { return true; });
  auto asked = config(120);
  asked.prompt_lookup = false;
  asked.draft = pair.model();
  const auto first = pair.target.generate({prompt_of(3, 20)}, asked)[0];
  const auto second = pair.target.generate({prompt_of(4, 20)}, asked)[0];
  EXPECT_GT(first.draft_tokens, second.draft_tokens);
}

TEST_P(Drafting, TheTextsOfAListShareTheDraftsSteps) {
  Pair pair;
  auto asked = config(60);
  const std::vector<Tokens> prompts{prompt_of(3, 20), prompt_of(4, 9), prompt_of(5, 33),
                                    prompt_of(3, 20)};
  const auto wanted = House(128).generate(prompts, asked);
  asked.draft = pair.model();
  const auto results = pair.target.generate(prompts, asked);
  int64_t guessed = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(results[i].new_tokens, wanted[i].new_tokens) << i;
    EXPECT_GT(results[i].draft_tokens, 0);
    guessed += results[i].draft_tokens;
  }
  EXPECT_EQ(pair.draft.cache.most_sequences, 4);
  EXPECT_LT(pair.draft.cache.steps, guessed);
  EXPECT_EQ(pair.draft.cache.pool().taken(), 0);
}

TEST_P(Drafting, SeveralTextsAndCallersShareOneDraft) {
  Pair pair(40);  // room for a few texts alone
  constexpr size_t kCallers = 4;
  std::vector<std::vector<GenerationResult>> results(kCallers);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kCallers; ++i)
    threads.emplace_back([&, i] {
      auto asked = config(50, i);
      asked.draft = pair.model();
      results[i] = pair.target.generate({prompt_of(i, 12), prompt_of(i + 50, 5)}, asked);
    });
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < kCallers; ++i) {
    const auto wanted =
        House(128).generate({prompt_of(i, 12), prompt_of(i + 50, 5)}, config(50, i));
    for (size_t row = 0; row < 2; ++row)
      EXPECT_EQ(results[i][row].new_tokens, wanted[row].new_tokens) << i << ", " << row;
  }
  EXPECT_EQ(pair.target.cache.pool().taken(), 0);
  EXPECT_EQ(pair.draft.cache.pool().taken(), 0);
}

INSTANTIATE_TEST_SUITE_P(Decoding, Drafting, ::testing::Bool(),
                         [](const auto& test) { return test.param ? "Sampled" : "Greedy"; });

TEST(DraftedSamples, HaveTheModelsDistribution) {
  constexpr int kDraws = 4000;
  const Tokens prompt{1, 2, 3};
  const auto logits_of = [](std::span<const int64_t> history) {
    auto logits = Logits(static_cast<size_t>(kVocabulary), -20.0f);
    for (int64_t i = 0; i < 3; ++i)
      logits[static_cast<size_t>((history.size() + static_cast<size_t>(i)) % 7)] =
          static_cast<float>(i);
    return logits;
  };
  std::map<int64_t, int> counts;
  int64_t accepted = 0;
  Pair pair;
  pair.target.cache.logits_of = pair.draft.cache.logits_of = logits_of;
  for (uint64_t seed = 0; seed < kDraws; ++seed) {
    auto asked = config_of(8, seed);
    asked.draft = pair.model();
    const auto result = pair.target.generate({prompt}, asked)[0];
    accepted += result.accepted_draft_tokens;
    ++counts[result.new_tokens[6]];
  }
  EXPECT_GT(accepted, kDraws / 2);
  const double weights[] = {1.0, std::exp(1.0), std::exp(2.0)};
  const double total = weights[0] + weights[1] + weights[2];
  double chi_square = 0;
  for (int64_t i = 0; i < 3; ++i) {
    const double wanted = kDraws * weights[i] / total;
    const double found = counts[(3 + 6 + i) % 7];
    chi_square += (found - wanted) * (found - wanted) / wanted;
  }
  EXPECT_LT(chi_square, 13.8);  // 2 degrees of freedom: 1 in 1000
}

}  // namespace
}  // namespace mm_orch::generation
