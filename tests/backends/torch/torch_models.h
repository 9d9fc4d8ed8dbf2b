// Models for the tests of the PyTorch backend, and how far logits may differ where
// the same sums are only made in another order.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "backend/plugin.h"
#include "models/registry.h"
#include "support/random_models.h"

namespace mm_orch::testing {

inline constexpr double kRounding = 2e-6;  // of the largest logit; measured: at most 8e-7

inline backend::Backend& torch_backend() { return backend::get_backend("pytorch"); }

inline std::shared_ptr<backend::LoadedModel> load_on_torch(const MemorySource& source,
                                                           const std::string& precision = "") {
  return torch_backend().load(models::build_graph(source), {.inference_precision = precision});
}

/// The source with its matrices as bfloat16, rounded towards zero.
inline MemorySource in_bf16(const MemorySource& source) {
  MemorySource result(source.config());
  for (const auto& name : source.tensor_names()) {
    auto tensor = *source.find(name);
    if (tensor.shape.size() == 2) {
      const auto floats = weights::read_f32(tensor);
      auto halves = std::make_shared<std::vector<uint16_t>>();
      for (const float value : floats)
        halves->push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
      tensor.dtype = DType::kBF16;
      tensor.data = std::as_bytes(std::span(*halves));
      tensor.owner = halves;
    }
    result.add(tensor);
  }
  return result;
}

/// The source with its matrices as floats.
inline MemorySource in_f32(const MemorySource& source) {
  MemorySource result(source.config());
  for (const auto& name : source.tensor_names()) {
    auto tensor = *source.find(name);
    auto floats = std::make_shared<std::vector<float>>(weights::read_f32(tensor));
    tensor.dtype = DType::kF32;
    tensor.interleaved_head_size = 0;
    tensor.data = std::as_bytes(std::span(*floats));
    tensor.owner = floats;
    result.add(tensor);
  }
  return result;
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
