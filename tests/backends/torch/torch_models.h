// Models for the tests of the PyTorch backend, and how far logits may differ where
// the same sums are only made in another order.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "backend/plugin.h"
#include "models/registry.h"
#include "support/random_models.h"

namespace mm_orch::testing {

inline constexpr double kRounding = 2e-6;  // of the largest logit; measured: at most 8e-7

inline backend::Backend& torch_backend() { return backend::get_backend("pytorch"); }

inline std::shared_ptr<backend::LoadedModel> load_on_torch(const MemorySource& source) {
  return torch_backend().load(models::build_graph(source), {});
}

inline std::vector<int64_t> random_tokens(size_t count, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<int64_t> tokens(count);
  for (auto& token : tokens) token = static_cast<int64_t>(random() % 60);  // vocabulary: 60
  return tokens;
}

inline std::vector<float> step(backend::Session& session, const std::vector<int64_t>& tokens,
                               backend::LogitsOf logits_of = backend::LogitsOf::kLastToken) {
  const auto logits = session.step(tokens, logits_of);
  return {logits.begin(), logits.end()};
}

/// Last-token logits of a fresh session of one sequence.
inline std::vector<float> last_logits(backend::LoadedModel& model,
                                      const std::vector<int64_t>& tokens) {
  return step(*model.new_session({}), tokens);
}

inline void expect_equal_logits(std::span<const float> actual, std::span<const float> expected) {
  ASSERT_EQ(actual.size(), expected.size());
  double largest = 0, worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_TRUE(std::isfinite(actual[i]));
    largest = std::max(largest, std::abs(double{expected[i]}));
    worst = std::max(worst, std::abs(double{actual[i]} - expected[i]));
  }
  EXPECT_LE(worst / largest, kRounding);
}

}  // namespace mm_orch::testing
