// What the tests of the OpenVINO plug-in share: small models, and running them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "models/registry.h"
#include "openvino_backend.h"
#include "support/random_models.h"

namespace mm_orch::openvino {

using backend::LogitsOf;

inline graph::Graph llama_graph() { return models::build_graph(testing::random_llama()); }
inline graph::Graph gpt2_graph() { return models::build_graph(testing::random_gpt2()); }

inline std::vector<int64_t> some_tokens(int64_t count, int64_t seed = 0) {
  std::vector<int64_t> tokens(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) tokens[static_cast<size_t>(i)] = (seed + i * 7 + 3) % 60;
  return tokens;
}

inline std::vector<float> step(backend::Session& session, std::vector<int64_t> tokens,
                               LogitsOf logits_of = LogitsOf::kLastToken) {
  const auto logits = session.step(tokens, logits_of);
  return {logits.begin(), logits.end()};
}

/// Largest |a - b| divided by the largest |b|.
inline double error_of(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(double{a[i]} - b[i]));
    largest = std::max(largest, std::abs(double{b[i]}));
  }
  return std::isfinite(worst) ? worst / largest : INFINITY;
}

}  // namespace mm_orch::openvino
