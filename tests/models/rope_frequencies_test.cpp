// Against values computed by transformers 5.23 (rope_goldens.py prints them).
#include "models/rope_frequencies.h"

#include <gtest/gtest.h>

#include "mm_orch/errors.h"
#include "support/memory_source.h"
#include "support/random_graph.h"

namespace mm_orch::models {
namespace {

constexpr float kTolerance = 3e-7f;  // relative: the goldens are float32

void expect_rope(const nlohmann::json& config, const std::vector<float>& frequencies,
                 float attention_factor) {
  const auto rope = rope_from_config(testing::MemorySource(config), 16);
  ASSERT_EQ(rope.inverse_frequencies.size(), frequencies.size());
  for (size_t i = 0; i < frequencies.size(); ++i)
    EXPECT_NEAR(rope.inverse_frequencies[i] / frequencies[i], 1.0f, kTolerance)
        << "frequency " << i;
  EXPECT_NEAR(rope.attention_factor, attention_factor, 1e-6f);
}

nlohmann::json config(int64_t context, double theta, nlohmann::json scaling) {
  return {{"max_position_embeddings", context},
          {"rope_theta", theta},
          {"rope_scaling", std::move(scaling)}};
}

const std::vector<float> kDefault = {1.0f,           0.316227764f,   0.100000001f,
                                     0.0316227786f,  0.00999999978f, 0.00316227786f,
                                     0.00100000005f, 0.000316227786f};

TEST(RopeFrequencies, Default) { expect_rope(config(64, 10000.0, nullptr), kDefault, 1.0f); }

TEST(RopeFrequencies, Linear) {
  expect_rope(config(64, 10000.0, {{"type", "linear"}, {"factor", 4.0}}),
              {0.25f, 0.079056941f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f,
               0.000250000012f, 7.90569466e-05f},
              1.0f);
}

const std::vector<float> kLlama3 = {1.0f,
                                    0.0242403448f,
                                    0.00470075384f,
                                    0.000911583134f,
                                    0.000176776681f,
                                    3.42810235e-05f,
                                    6.64786967e-06f,
                                    1.28917316e-06f};

TEST(RopeFrequencies, Llama3) {
  expect_rope(config(256, 500000.0,
                     {{"rope_type", "llama3"},
                      {"factor", 8.0},
                      {"low_freq_factor", 1.0},
                      {"high_freq_factor", 4.0},
                      {"original_max_position_embeddings", 32}}),
              kLlama3, 1.0f);
}

TEST(RopeFrequencies, RopeParametersOfTransformers5MeanTheSame) {
  expect_rope({{"max_position_embeddings", 256},
               {"rope_parameters",
                {{"rope_theta", 500000.0},
                 {"rope_type", "llama3"},
                 {"factor", 8.0},
                 {"low_freq_factor", 1.0},
                 {"high_freq_factor", 4.0},
                 {"original_max_position_embeddings", 32}}}},
              kLlama3, 1.0f);
}

TEST(RopeFrequencies, Yarn) {
  expect_rope(
      config(128, 10000.0,
             {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}}),
      {1.0f, 0.197642356f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f,
       0.000250000012f, 7.90569466e-05f},
      1.138629436f);
}

TEST(RopeFrequencies, YarnWithOptions) {
  expect_rope(config(128, 10000.0,
                     {{"rope_type", "yarn"},
                      {"factor", 4.0},
                      {"original_max_position_embeddings", 32},
                      {"beta_fast", 16},
                      {"beta_slow", 2},
                      {"mscale", 0.7},
                      {"mscale_all_dim", 0.9}}),
              {1.0f, 0.079056941f, 0.0250000004f, 0.00790569466f, 0.00249999994f, 0.000790569466f,
               0.000250000012f, 7.90569466e-05f},
              0.97534965f);
}

TEST(RopeFrequencies, StoredFactorsDivide) {
  testing::MemorySource source(config(64, 10000.0, nullptr));
  testing::RandomTensors random(5);
  const auto factors = random.make("rope_freqs.weight", {8}, 0.1f, 4.0f);
  source.add(factors);
  const auto rope = rope_from_config(source, 16);
  const auto values = weights::read_f32(factors);
  for (size_t i = 0; i < 8; ++i)
    EXPECT_NEAR(rope.inverse_frequencies[i] * values[i] / kDefault[i], 1.0f, kTolerance);
}

TEST(RopeFrequencies, RefusesImpossibleScaling) {
  const auto rope = [](nlohmann::json scaling) {
    return rope_from_config(testing::MemorySource(config(64, 10000.0, std::move(scaling))), 16);
  };
  EXPECT_THROW(rope({{"rope_type", "linear"}, {"factor", 0}}), FileValidationError);
  EXPECT_THROW(rope({{"rope_type", "linear"}, {"factor", "four"}}), FileValidationError);
  EXPECT_THROW(rope({{"rope_type", "dynamic"}, {"factor", 2}}), UnsupportedModelError);
}

}  // namespace
}  // namespace mm_orch::models
