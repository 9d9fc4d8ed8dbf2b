// Beam search over a scripted session. tests/python compares with transformers; here it is
// compared with all texts there are, and with itself when something fails.
#include <gtest/gtest.h>

#include <cmath>

#include "generation/generator.h"
#include "support/scripted_session.h"

namespace mm_orch::generation {
namespace {

using testing::hashed_logits;
using testing::ScriptedProvider;
using Tokens = std::vector<int64_t>;

constexpr int64_t kVocabulary = 53;
const std::vector<Tokens> kPrompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9}};

ScriptedProvider hashed_provider(int64_t vocabulary = kVocabulary) {
  return ScriptedProvider([vocabulary](std::span<const int64_t> history) {
    return hashed_logits(history, vocabulary);
  });
}

ResolvedConfig beams(int64_t num_beams, int64_t max_new_tokens) {
  ResolvedConfig config;
  config.num_beams = num_beams;
  config.max_new_tokens = max_new_tokens;
  config.eos_token_ids = {2};
  return config;
}

std::vector<Tokens> new_tokens(const std::vector<GenerationResult>& results) {
  std::vector<Tokens> tokens;
  for (const auto& result : results) tokens.push_back(result.new_tokens);
  return tokens;
}

std::vector<Tokens> run(const ResolvedConfig& config, const std::vector<Tokens>& prompts) {
  auto provider = hashed_provider();
  return new_tokens(generate(provider, nullptr, prompts, config));
}

struct Best {
  Tokens tokens;
  double score = -1e30;
};

// Of all texts of at most config.max_new_tokens tokens, the one with the best score.
void search_all(const Tokens& history, const Tokens& made, double log_probability,
                const ResolvedConfig& config, int64_t vocabulary, Best& best) {
  const bool eos = !made.empty() && made.back() == config.eos_token_ids.front();
  if (eos || static_cast<int64_t>(made.size()) == config.max_new_tokens) {
    const double score =
        log_probability / std::pow(static_cast<double>(made.size()), config.length_penalty);
    if (score > best.score) best = {made, score};
    return;
  }
  const auto logits = hashed_logits(history, vocabulary);
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit));
  for (int64_t token = 0; token < vocabulary; ++token) {
    Tokens longer = history;
    longer.push_back(token);
    Tokens more = made;
    more.push_back(token);
    search_all(longer, more, log_probability + logits[static_cast<size_t>(token)] - std::log(total),
               config, vocabulary, best);
  }
}

TEST(BeamSearch, WithABeamForEveryTextFindsTheBestOfAll) {
  for (const float length_penalty : {-1.0f, 0.0f, 0.6f, 1.0f, 3.0f}) {
    for (int64_t first = 0; first < 20; ++first) {
      ResolvedConfig config = beams(125, 3);
      config.length_penalty = length_penalty;
      config.early_stopping = EarlyStopping::kNever;
      Best best;
      search_all({first}, {}, 0, config, 5, best);
      auto provider = hashed_provider(5);
      EXPECT_EQ(generate(provider, nullptr, std::vector<Tokens>{{first}}, config)[0].new_tokens,
                best.tokens)
          << length_penalty << ' ' << first;
    }
  }
}

TEST(BeamSearch, FindsLikelierTextsThanGreedyDecoding) {
  int better = 0;
  for (int64_t first = 0; first < 20; ++first) {
    ResolvedConfig config = beams(1, 8);
    config.eos_token_ids.clear();
    const auto greedy = run(config, {{first}});
    config.num_beams = 4;
    better += run(config, {{first}}) != greedy;
  }
  EXPECT_GT(better, 10);
}

TEST(BeamSearch, OfABatchGivesWhatEachPromptGivesAlone) {
  for (const auto stopping : {EarlyStopping::kNo, EarlyStopping::kYes, EarlyStopping::kNever}) {
    ResolvedConfig config = beams(3, 12);
    config.early_stopping = stopping;
    config.eos_token_ids = {2, 7};
    config.repetition_penalty = 1.2f;
    config.min_new_tokens = 3;
    const auto together = run(config, kPrompts);
    for (size_t i = 0; i < kPrompts.size(); ++i) {
      EXPECT_EQ(together[i], run(config, {kPrompts[i]})[0]) << i;
      EXPECT_GE(together[i].size(), 3u);
    }
  }
}

TEST(BeamSearch, SaysHowTextsEnded) {
  const auto provider_of = [](int64_t token) {
    return ScriptedProvider(
        [token](std::span<const int64_t>) { return testing::chosen_logits(token, kVocabulary); });
  };
  auto ending = provider_of(2);
  const auto ended = generate(ending, nullptr, std::vector<Tokens>{{1}}, beams(2, 6));
  EXPECT_EQ(ended[0].new_tokens, (Tokens{2}));
  EXPECT_EQ(ended[0].finish_reason, FinishReason::kEos);
  ResolvedConfig at_least_three = beams(2, 6);
  at_least_three.min_new_tokens = 3;
  auto held = provider_of(2);
  const auto later = generate(held, nullptr, std::vector<Tokens>{{1}}, at_least_three);
  EXPECT_EQ(later[0].new_tokens.size(), 4u);
  EXPECT_EQ(later[0].new_tokens.back(), 2);
  auto endless = provider_of(3);
  const auto full = generate(endless, nullptr, std::vector<Tokens>{{1}}, beams(2, 6));
  EXPECT_EQ(full[0].new_tokens, (Tokens{3, 3, 3, 3, 3, 3}));
  EXPECT_EQ(full[0].finish_reason, FinishReason::kLength);
  EXPECT_EQ(full[0].backend, "first");
  EXPECT_GT(full[0].time_to_first_token_s, 0);
}

TEST(BeamSearch, StopsEarlyWhenTold) {
  const auto steps_with = [](EarlyStopping stopping) {
    int64_t steps = 0;
    for (int64_t first = 0; first < 30; ++first) {
      ResolvedConfig config = beams(3, 40);
      config.early_stopping = stopping;
      config.eos_token_ids = {2, 3, 4, 5, 6, 7};
      auto provider = hashed_provider();
      generate(provider, nullptr, std::vector<Tokens>{{first}}, config);
      steps += provider.script->steps;
    }
    return steps;
  };
  EXPECT_LT(steps_with(EarlyStopping::kYes), steps_with(EarlyStopping::kNo));
  EXPECT_LT(steps_with(EarlyStopping::kNo), steps_with(EarlyStopping::kNever));
}

class BeamRecovery : public ::testing::Test {
 protected:
  void SetUp() override {
    config_ = beams(3, 10);
    config_.repetition_penalty = 1.1f;
    config_.early_stopping = EarlyStopping::kYes;
    auto provider = hashed_provider();
    unbroken_ = new_tokens(generate(provider, nullptr, kPrompts, config_));
    steps_ = provider.script->steps;
    reorders_ = provider.script->reorders;
    ASSERT_GE(steps_, 8);
    ASSERT_GE(reorders_, 7);
  }

  ResolvedConfig config_;
  std::vector<Tokens> unbroken_;
  int64_t steps_ = 0;
  int64_t reorders_ = 0;
};

TEST_F(BeamRecovery, AfterAFailureAtAnyStepGoesOnAsIfUnbroken) {
  for (int64_t failing = 0; failing < steps_; ++failing) {
    auto provider = hashed_provider();
    provider.script->before_step = [failing](int64_t n) {
      if (n == failing) throw InferenceError("injected");
    };
    const auto results = generate(provider, nullptr, kPrompts, config_);
    EXPECT_EQ(new_tokens(results), unbroken_) << failing;
    EXPECT_EQ(results[0].backend, "second");
    EXPECT_EQ(provider.errors, (std::vector<ErrorCode>{ErrorCode::kInference}));
    EXPECT_EQ(provider.script->live_sessions, 0);
  }
}

TEST_F(BeamRecovery, AfterAFailureToReorderGoesOnAsIfUnbroken) {
  for (int64_t failing = 0; failing < reorders_; ++failing) {
    auto provider = hashed_provider();
    provider.script->before_reorder = [failing](int64_t n) {
      if (n == failing) throw OutOfMemoryError("injected");
    };
    EXPECT_EQ(new_tokens(generate(provider, nullptr, kPrompts, config_)), unbroken_) << failing;
  }
}

TEST_F(BeamRecovery, AfterNanInTheLogitsGoesOnAsIfUnbroken) {
  for (int64_t failing = 0; failing < 4; ++failing) {
    auto provider = hashed_provider();
    provider.script->nan_at_step = failing;
    EXPECT_EQ(new_tokens(generate(provider, nullptr, kPrompts, config_)), unbroken_) << failing;
    EXPECT_EQ(provider.errors, (std::vector<ErrorCode>{ErrorCode::kNumericFault}));
  }
}

TEST_F(BeamRecovery, SurvivesAFailureOfEverySecondStep) {
  auto provider = hashed_provider();
  provider.script->before_step = [](int64_t n) {
    if (n % 2 == 0) throw InferenceError("injected");
  };
  EXPECT_EQ(new_tokens(generate(provider, nullptr, kPrompts, config_)), unbroken_);
}

TEST_F(BeamRecovery, StopsWhenCancelled) {
  auto provider = hashed_provider();
  auto cancel = std::make_shared<CancelToken>();
  config_.cancel = cancel;
  config_.eos_token_ids.clear();
  provider.script->before_step = [&](int64_t n) {
    if (n == 3) cancel->cancel();
  };
  const auto results = generate(provider, nullptr, kPrompts, config_);
  EXPECT_EQ(results[1].finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(results[1].new_tokens.size(), 4u);
}

TEST(BeamSearch, RepeatsTheSourceOfAPromptForEachBeam) {
  auto provider = hashed_provider();
  const std::vector<Tokens> sources = {{10, 11}, {12}, {13, 14, 15}};
  generate(provider, nullptr, kPrompts, beams(2, 4), sources);
  std::vector<Tokens> given;
  for (const auto source : provider.opened[0].sources)
    given.emplace_back(source.begin(), source.end());
  EXPECT_EQ(given,
            (std::vector<Tokens>{{10, 11}, {10, 11}, {12}, {12}, {13, 14, 15}, {13, 14, 15}}));
  EXPECT_THROW(generate(provider, nullptr, kPrompts, beams(2, 4), std::span(sources).first(2)),
               InvalidInputError);
}

TEST(BeamSearch, RefusesMoreBeamsThanTheVocabularyAllows) {
  auto provider = hashed_provider(2);
  ResolvedConfig config = beams(4, 6);
  config.eos_token_ids = {0, 1};
  EXPECT_THROW(generate(provider, nullptr, kPrompts, config), InvalidInputError);
}

}  // namespace
}  // namespace mm_orch::generation
