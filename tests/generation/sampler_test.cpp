#include "generation/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "generation/exp.h"

namespace mm_orch::generation {
namespace {

constexpr int64_t kVocabulary = 200;

std::vector<float> random_logits(uint32_t seed, int64_t size = kVocabulary, float deviation = 2) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, deviation);
  std::vector<float> logits(size);
  std::generate(logits.begin(), logits.end(), [&] { return normal(engine); });
  return logits;
}

ResolvedConfig sampling(float temperature, int64_t top_k, float top_p, float min_p,
                        float penalty = 1) {
  ResolvedConfig config;
  config.do_sample = true;
  config.temperature = temperature;
  config.top_k = top_k;
  config.top_p = top_p;
  config.min_p = min_p;
  config.repetition_penalty = penalty;
  config.seed = 1234;
  return config;
}

void normalise(std::vector<double>& values) {
  const double total = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= total;
}

// The definitions of the papers, in double precision over the whole sorted vocabulary.
std::vector<double> exact_probabilities(const ResolvedConfig& config,
                                        const std::vector<float>& logits,
                                        const std::vector<int64_t>& seen) {
  std::vector<double> scores(logits.begin(), logits.end());
  for (size_t i = 0; i < scores.size(); ++i) {
    const double penalty = config.repetition_penalty;
    if (std::find(seen.begin(), seen.end(), i) != seen.end()) {
      scores[i] = scores[i] > 0 ? scores[i] / penalty : scores[i] * penalty;
    }
    scores[i] /= config.temperature;
  }
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  const double largest = scores[order[0]];
  std::vector<double> probabilities(scores.size(), 0.0);
  const size_t k = config.top_k > 0 ? std::min<size_t>(config.top_k, order.size()) : order.size();
  for (size_t rank = 0; rank < k; ++rank) {
    probabilities[order[rank]] = std::exp(scores[order[rank]] - largest);
  }
  normalise(probabilities);
  double mass = 0;
  for (size_t id : order) {
    if (mass >= config.top_p) probabilities[id] = 0;
    mass += probabilities[id];
  }
  normalise(probabilities);
  const double floor = config.min_p * probabilities[order[0]];
  for (double& probability : probabilities) {
    if (probability < floor) probability = 0;
  }
  normalise(probabilities);
  return probabilities;
}

// The value that a chi-square variable with so many degrees of freedom exceeds with probability
// 1e-4 (Wilson and Hilferty 1931).
double chi_square_limit(double degrees) {
  const double z = 3.719;
  const double spread = 2.0 / (9.0 * degrees);
  return degrees * std::pow(1.0 - spread + z * std::sqrt(spread), 3);
}

// Cells that expect fewer than 5 draws are counted together.
void expect_distribution(const std::vector<int64_t>& counts,
                         const std::vector<double>& probabilities, int64_t draws) {
  double chi_square = 0;
  double rare_expected = 0;
  double rare_count = 0;
  int cells = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * static_cast<double>(draws);
    if (expected == 0) {
      ASSERT_EQ(counts[i], 0) << "token " << i << " cannot be drawn";
    } else if (expected < 5) {
      rare_expected += expected;
      rare_count += static_cast<double>(counts[i]);
    } else {
      chi_square += std::pow(static_cast<double>(counts[i]) - expected, 2) / expected;
      ++cells;
    }
  }
  if (rare_expected > 0) {
    chi_square += std::pow(rare_count - rare_expected, 2) / rare_expected;
    ++cells;
  }
  if (cells > 1) {
    EXPECT_LT(chi_square, chi_square_limit(cells - 1));
  }
}

struct SamplerDistribution : ::testing::TestWithParam<ResolvedConfig> {};

TEST_P(SamplerDistribution, MatchesExactProbabilities) {
  const ResolvedConfig& config = GetParam();
  const std::vector<int64_t> prompt = {3, 17, 3, 42, 199};
  for (uint32_t seed : {1, 2}) {
    const auto logits = random_logits(seed);
    const auto exact = exact_probabilities(config, logits, prompt);
    Sampler sampler(config, 0, prompt);
    sampler.read(logits);
    std::vector<double> probabilities(logits.size(), 0.0);
    for (const Candidate& candidate : sampler.candidates()) {
      probabilities[candidate.id] = candidate.weight;
    }
    normalise(probabilities);
    for (size_t i = 0; i < exact.size(); ++i) {
      ASSERT_NEAR(probabilities[i], exact[i], 2e-6) << "token " << i;
      ASSERT_EQ(probabilities[i] == 0, exact[i] == 0) << "token " << i;
    }
  }
}

TEST_P(SamplerDistribution, IsDrawnFrom) {
  const ResolvedConfig& config = GetParam();
  const std::vector<int64_t> prompt = {3, 17, 3, 42, 199};
  const auto logits = random_logits(3);
  // One draw from each of many sequences: a drawn token changes what the penalty applies to.
  constexpr int64_t kDraws = 20000;
  std::vector<int64_t> counts(logits.size(), 0);
  for (int64_t sequence = 0; sequence < kDraws; ++sequence) {
    Sampler fresh(config, sequence, prompt);
    fresh.read(logits);
    ++counts[fresh.choose()];
  }
  expect_distribution(counts, exact_probabilities(config, logits, prompt), kDraws);
}

INSTANTIATE_TEST_SUITE_P(
    Options, SamplerDistribution,
    ::testing::Values(sampling(1, 0, 1, 0), sampling(0.5, 0, 1, 0), sampling(1.7f, 0, 1, 0),
                      sampling(1, 7, 1, 0), sampling(1, 1, 1, 0), sampling(1, 150, 1, 0),
                      sampling(1, 500, 1, 0), sampling(1, 0, 0.9f, 0), sampling(1, 0, 0.3f, 0),
                      sampling(1, 0, 0.01f, 0), sampling(2, 0, 0.999f, 0), sampling(1, 0, 1, 0.05f),
                      sampling(1, 0, 1, 1), sampling(1, 0, 1, 0, 1.5f), sampling(1, 0, 1, 0, 0.6f),
                      sampling(0.8f, 40, 0.95f, 0), sampling(0.8f, 40, 0.95f, 0.02f, 1.2f),
                      sampling(1.3f, 0, 0.8f, 0.1f, 1.1f)));

TEST(Sampler, DrawsOneStreamInTheRightProportions) {
  const ResolvedConfig config = sampling(0.9f, 50, 0.95f, 0);
  const auto logits = random_logits(5);
  Sampler sampler(config, 3, {});
  std::vector<int64_t> counts(logits.size(), 0);
  constexpr int64_t kDraws = 50000;
  for (int64_t i = 0; i < kDraws; ++i) {
    sampler.read(logits);
    ++counts[sampler.choose()];
  }
  expect_distribution(counts, exact_probabilities(config, logits, {}), kDraws);
}

TEST(Sampler, CrossesBlocksOfALargeVocabulary) {
  for (const ResolvedConfig& config :
       {sampling(1, 50, 1, 0), sampling(0.7f, 2000, 0.9f, 0), sampling(1.2f, 0, 0.95f, 0)}) {
    const auto logits = random_logits(11, 50257);
    const auto exact = exact_probabilities(config, logits, {});
    Sampler sampler(config, 0, {});
    sampler.read(logits);
    std::vector<double> probabilities(logits.size(), 0.0);
    for (const Candidate& c : sampler.candidates()) probabilities[c.id] = c.weight;
    normalise(probabilities);
    int different = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      ASSERT_NEAR(probabilities[i], exact[i], 1e-6 * (1 + 100 * exact[i]));
      different += (probabilities[i] == 0) != (exact[i] == 0);
    }
    // The edge of a nucleus of thousands may move by the rounding of float probabilities.
    EXPECT_LE(different, config.top_p < 1 && config.top_k == 0 ? 2 : 0);
  }
}

std::vector<int64_t> draw(uint64_t seed, uint64_t sequence, int count) {
  ResolvedConfig config = sampling(1.5f, 0, 0.98f, 0);
  config.seed = seed;
  Sampler sampler(config, sequence, {});
  std::vector<int64_t> tokens;
  for (int i = 0; i < count; ++i) {
    std::vector<float> logits(1000);
    for (int j = 0; j < 1000; ++j) {
      logits[j] = static_cast<float>((j * 7919 + i * 104729) % 1009) / 100.0f;
    }
    sampler.read(logits);
    tokens.push_back(sampler.choose());
  }
  return tokens;
}

TEST(Sampler, GivesTheSameTokensForASeedEverywhere) {
  EXPECT_EQ(draw(42, 0, 10),
            (std::vector<int64_t>{720, 665, 776, 550, 325, 455, 210, 914, 933, 865}));
  EXPECT_EQ(draw(42, 1, 10),
            (std::vector<int64_t>{794, 138, 914, 939, 9, 350, 685, 110, 570, 991}));
}

TEST(Sampler, DrawsDifferentlyForOtherSeedsAndSequences) {
  EXPECT_EQ(draw(1, 0, 20), draw(1, 0, 20));
  EXPECT_NE(draw(1, 0, 20), draw(2, 0, 20));
  EXPECT_NE(draw(1, 0, 20), draw(1, 1, 20));
  EXPECT_NE(draw(1, 1, 20), draw(2, 0, 20));
}

TEST(RandomStream, IsUniformOverTheUnitInterval) {
  constexpr int kCells = 64;
  constexpr int64_t kDraws = 64000;
  std::vector<int64_t> counts(kCells, 0);
  for (int64_t stream = 0; stream < kDraws / 4; ++stream) {
    RandomStream random(0, stream);
    for (int i = 0; i < 4; ++i) {
      const double value = random.next();
      ASSERT_GE(value, 0.0);
      ASSERT_LT(value, 1.0);
      ++counts[static_cast<int>(value * kCells)];
    }
  }
  expect_distribution(counts, std::vector<double>(kCells, 1.0 / kCells), kDraws);
}

TEST(Exp, StaysWithinItsError) {
  for (float x = 0; x > -87; x -= 0.0137f) {
    const double exact = std::exp(static_cast<double>(x));
    ASSERT_NEAR(exp_nonpositive(x) / exact, 1.0, 2e-7) << x;
  }
  EXPECT_EQ(exp_nonpositive(0.0f), 1.0f);
  EXPECT_EQ(exp_nonpositive(-87.5f), 0.0f);
  EXPECT_EQ(exp_nonpositive(-std::numeric_limits<float>::infinity()), 0.0f);
}

TEST(Sampler, TakesTheLargestLogitWhenGreedy) {
  const ResolvedConfig config;
  Sampler sampler(config, 0, std::vector<int64_t>{1});
  const std::vector<float> logits = {0, 3, 1, 3};
  sampler.read(logits);
  EXPECT_EQ(sampler.choose(), 1);
}

TEST(Sampler, PenalisesPromptAndNewTokensOnceEach) {
  ResolvedConfig config;
  config.repetition_penalty = 2;
  const std::vector<float> logits = {-1.0f, 8.0f, 5.0f, 3.0f, 4.1f};
  Sampler sampler(config, 0, std::vector<int64_t>{1, 1, 1});
  std::vector<int64_t> tokens;
  for (int i = 0; i < 3; ++i) {
    sampler.read(logits);
    tokens.push_back(sampler.choose());
  }
  EXPECT_EQ(tokens, (std::vector<int64_t>{2, 4, 1}));
}

TEST(Sampler, KeepsTokensThatTieWithTheLastOfTopK) {
  const ResolvedConfig config = sampling(1, 2, 1, 0);
  const std::vector<float> logits = {1, 2, 3, 2, 0};
  Sampler sampler(config, 0, {});
  sampler.read(logits);
  std::vector<int64_t> ids;
  for (const Candidate& candidate : sampler.candidates()) ids.push_back(candidate.id);
  EXPECT_EQ(ids, (std::vector<int64_t>{1, 2, 3}));
}

TEST(Sampler, TopPTakesEqualTokensByTheirId) {
  const ResolvedConfig config = sampling(1, 0, 0.5f, 0);
  const std::vector<float> logits(100, 2.0f);
  Sampler sampler(config, 0, {});
  sampler.read(logits);
  const auto candidates = sampler.candidates();
  ASSERT_EQ(candidates.size(), 50u);
  EXPECT_EQ(candidates.front().id, 0);
  EXPECT_EQ(candidates.back().id, 49);
}

TEST(Sampler, WithholdsEosUntilTheMinimumLength) {
  for (bool do_sample : {false, true}) {
    ResolvedConfig config = sampling(1, 0, 1, 0);
    config.do_sample = do_sample;
    config.min_new_tokens = 2;
    config.eos_token_ids = {1, 2, 900};
    const std::vector<float> logits = {0, 60, 50, 1};
    Sampler sampler(config, 0, {});
    std::vector<bool> eos;
    for (int i = 0; i < 3; ++i) {
      sampler.read(logits);
      const int64_t token = sampler.choose();
      eos.push_back(token == 1 || token == 2);
    }
    EXPECT_EQ(eos, (std::vector<bool>{false, false, true}));
  }
}

TEST(Sampler, RefusesAMinimumLengthWhenEveryTokenIsEos) {
  ResolvedConfig config;
  config.min_new_tokens = 1;
  config.eos_token_ids = {0, 1};
  Sampler sampler(config, 0, {});
  EXPECT_THROW(sampler.read(std::vector<float>{1, 2}), InvalidInputError);
}

TEST(Sampler, NamesTokenAndValueOfANumericFault) {
  const ResolvedConfig config;
  Sampler sampler(config, 0, {});
  std::vector<float> logits(500, 1.0f);
  logits[321] = std::numeric_limits<float>::infinity();
  try {
    sampler.read(logits);
    FAIL() << "nothing was thrown";
  } catch (const NumericFaultError& error) {
    EXPECT_NE(std::string(error.what()).find("gave inf as logit of token 321"), std::string::npos)
        << error.what();
  }
}

TEST(Sampler, SurvivesExtremeButFiniteValues) {
  constexpr float kMax = std::numeric_limits<float>::max();
  const std::vector<float> logits = {-kMax, kMax, kMax / 2, 0};
  for (float temperature : {1e-45f, 1e-20f, 1.0f, kMax}) {
    for (float penalty : {1e-45f, 1.0f, kMax}) {
      for (int64_t top_k : {0, 2}) {
        const ResolvedConfig config = sampling(temperature, top_k, 0.9f, 0.1f, penalty);
        Sampler sampler(config, 0, std::vector<int64_t>{0, 3});
        sampler.read(logits);
        const int64_t token = sampler.choose();
        EXPECT_TRUE(token >= 0 && token < 4);
      }
    }
  }
}

}  // namespace
}  // namespace mm_orch::generation
