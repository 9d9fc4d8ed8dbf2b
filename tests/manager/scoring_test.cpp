#include "manager/scoring.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "support/scripted_session.h"

namespace mm_orch::manager {
namespace {

constexpr int64_t kVocabulary = 11;

// A session that answers for all tokens, unlike ScriptedSession.
class AllTokens final : public backend::Session {
 public:
  explicit AllTokens(int64_t nan_at = -1) : nan_at_(nan_at) {}
  std::span<const float> step(std::span<const int64_t> tokens, backend::LogitsOf of) override {
    logits_.clear();
    for (size_t i = 0; i < tokens.size(); ++i) {
      fed_.push_back(tokens[i]);
      if (of == backend::LogitsOf::kLastToken && i + 1 < tokens.size()) continue;
      const auto row = testing::hashed_logits(fed_, kVocabulary);
      logits_.insert(logits_.end(), row.begin(), row.end());
    }
    if (nan_at_ >= 0 && length() > nan_at_) logits_[0] = std::nanf("");
    return logits_;
  }
  void reorder(std::span<const int32_t>) override {}
  int64_t length() const override { return static_cast<int64_t>(fed_.size()); }

 private:
  int64_t nan_at_;
  std::vector<int64_t> fed_;
  std::vector<float> logits_;
};

struct Provider final : public generation::SessionProvider {
  std::unique_ptr<backend::Session> open(const backend::SessionOptions&) override {
    return std::make_unique<AllTokens>(first_fails ? 70 : -1);
  }
  std::unique_ptr<backend::Session> recover(const MuAIError&,
                                            const backend::SessionOptions&) override {
    ++recoveries;
    return std::make_unique<AllTokens>();
  }
  std::string backend_name() const override { return "test"; }
  bool first_fails = false;
  int recoveries = 0;
};

graph::ModelInfo info() {
  graph::ModelInfo info;
  info.vocabulary_size = kVocabulary;
  info.context_length = 200;
  return info;
}

std::vector<int64_t> tokens(size_t count) {
  std::vector<int64_t> result(count);
  for (size_t i = 0; i < count; ++i) result[i] = static_cast<int64_t>(i * i % kVocabulary);
  return result;
}

TEST(Scoring, OnePassInChunksEqualsStepwise) {
  Provider provider;
  const auto given = tokens(150);
  const auto pass = score_tokens(provider, info(), given, {.with_logits = true});
  const auto steps = score_tokens(provider, info(), given, {.with_logits = true, .stepwise = true});
  EXPECT_EQ(pass.tokens, given);
  EXPECT_EQ(pass.log_probabilities, steps.log_probabilities);
  EXPECT_EQ(pass.logits, steps.logits);
  ASSERT_EQ(pass.log_probabilities.size(), given.size() - 1);
  ASSERT_EQ(pass.logits.size(), given.size() * kVocabulary);
  for (size_t t = 0; t + 1 < given.size(); ++t) {
    const auto row = testing::hashed_logits(std::span(given).first(t + 1), kVocabulary);
    double sum = 0;
    for (const float logit : row) sum += std::exp(static_cast<double>(logit));
    EXPECT_NEAR(pass.log_probabilities[t], row[static_cast<size_t>(given[t + 1])] - std::log(sum),
                1e-6);
  }
}

TEST(Scoring, LeavesLogitsOutUnlessAsked) {
  Provider provider;
  EXPECT_TRUE(score_tokens(provider, info(), tokens(3), {}).logits.empty());
  EXPECT_TRUE(score_tokens(provider, info(), tokens(1), {}).log_probabilities.empty());
}

TEST(Scoring, NanMovesToTheNextSession) {
  Provider provider;
  const auto whole = score_tokens(provider, info(), tokens(150), {.with_logits = true});
  provider.first_fails = true;
  EXPECT_EQ(score_tokens(provider, info(), tokens(150), {.with_logits = true}).logits,
            whole.logits);
  EXPECT_EQ(provider.recoveries, 1);
}

TEST(Scoring, RefusesWhatCannotBeScored) {
  Provider provider;
  EXPECT_THROW(score_tokens(provider, info(), {}, {}), InvalidInputError);
  EXPECT_THROW(score_tokens(provider, info(), tokens(201), {}), InvalidInputError);
  for (const int64_t id : {int64_t{-1}, kVocabulary})
    EXPECT_THROW(score_tokens(provider, info(), std::vector{int64_t{0}, id}, {}),
                 InvalidInputError);
}

}  // namespace
}  // namespace mm_orch::manager
