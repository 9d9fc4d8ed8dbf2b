// Every operation on every installed backend against the reference in plain loops.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "backend/plugin.h"
#include "conformance/cases.h"
#include "graph/builder.h"
#include "support/reference_backend.h"

namespace mm_orch::testing {
namespace {

using backend::LogitsOf;

// Logits of all steps: [steps][B, T, V] or [B, 1, V].
std::vector<std::vector<float>> run(backend::Backend& backend, const ConformanceCase& test_case,
                                    LogitsOf logits_of, bool reorder) {
  const auto graph = test_case.make_graph();
  backend::LoadOptions load_options;
  load_options.inference_precision = "f32";
  const auto model = backend.load(graph, load_options);
  const auto session = model->new_session({test_case.batch, test_case.padding, 0});
  std::mt19937 random(3);
  std::vector<std::vector<float>> steps;
  for (const int64_t chunk : test_case.chunks) {
    std::vector<int64_t> tokens(static_cast<size_t>(test_case.batch * chunk));
    for (auto& token : tokens)
      token = static_cast<int64_t>(random() % static_cast<unsigned>(graph.info.vocabulary_size));
    const auto logits = session->step(tokens, logits_of);
    steps.emplace_back(logits.begin(), logits.end());
    if (reorder && test_case.batch == 2) session->reorder(std::vector<int32_t>{1, 1});
  }
  return steps;
}

// Rows that are padding hold nothing meaningful: they are left out.
void expect_close(const ConformanceCase& test_case, LogitsOf logits_of,
                  const std::vector<std::vector<float>>& actual,
                  const std::vector<std::vector<float>>& expected) {
  double worst = 0, largest = 0;
  int64_t past = 0;
  for (size_t step = 0; step < expected.size(); ++step) {
    ASSERT_EQ(actual[step].size(), expected[step].size());
    const int64_t chunk = test_case.chunks[step];
    const int64_t rows = logits_of == LogitsOf::kLastToken ? 1 : chunk;
    const auto vocabulary = expected[step].size() / static_cast<size_t>(test_case.batch * rows);
    for (size_t i = 0; i < expected[step].size(); ++i) {
      const auto row = static_cast<int64_t>(i / vocabulary);
      const int64_t token = past + (chunk - rows) + row % rows;
      if (!test_case.padding.empty() && token < test_case.padding[static_cast<size_t>(row / rows)])
        continue;
      ASSERT_TRUE(std::isfinite(actual[step][i])) << "step " << step << ", element " << i;
      worst = std::max(worst, std::abs(double{actual[step][i]} - expected[step][i]));
      largest = std::max(largest, std::abs(double{expected[step][i]}));
    }
    past += chunk;
  }
  ASSERT_GT(largest, 0.1);
  EXPECT_LE(worst / largest, test_case.tolerance);
}

class Conformance : public ::testing::TestWithParam<std::tuple<std::string, ConformanceCase>> {
 protected:
  void compare(LogitsOf logits_of, bool reorder) {
    const auto& [backend_name, test_case] = GetParam();
    const auto reference = make_reference_backend();
    auto& backend = backend::get_backend(backend_name);
    expect_close(test_case, logits_of, run(backend, test_case, logits_of, reorder),
                 run(*reference, test_case, logits_of, reorder));
  }
};

TEST_P(Conformance, AllTokensMatchTheReference) { compare(LogitsOf::kAllTokens, false); }

TEST_P(Conformance, LastTokenMatchesTheReference) { compare(LogitsOf::kLastToken, false); }

TEST_P(Conformance, ReorderedSequencesMatchTheReference) {
  if (!std::get<1>(GetParam()).padding.empty())
    return;  // rows of unequal padding cannot be swapped
  compare(LogitsOf::kLastToken, true);
}

std::vector<std::string> installed_backends() {
  std::vector<std::string> names;
  for (const auto& status : backend::plugin_status())
    if (status.available) names.push_back(status.name);
  return names;
}

std::string case_name(
    const ::testing::TestParamInfo<std::tuple<std::string, ConformanceCase>>& info) {
  return std::get<0>(info.param) + "_" + std::get<1>(info.param).name;
}

INSTANTIATE_TEST_SUITE_P(Backends, Conformance,
                         ::testing::Combine(::testing::ValuesIn(installed_backends()),
                                            ::testing::ValuesIn(conformance_cases())),
                         case_name);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Conformance);

// The reference itself is held against values worked out by hand.
TEST(Reference, AttentionOfTwoTokensIsTheWeightedMean) {
  // One head of size 2, q = k = v = x: token 1 attends to tokens 0 and 1.
  const auto identity = [](const std::string& name) {
    static const std::vector<float> kEye = {1, 0, 0, 1};
    return weights::Tensor{name, DType::kF32, {2, 2}, std::as_bytes(std::span(kEye)), nullptr, 0};
  };
  graph::GraphBuilder builder({.architecture = "test",
                               .layers = 1,
                               .hidden_size = 2,
                               .heads = 1,
                               .kv_heads = 1,
                               .head_size = 2,
                               .vocabulary_size = 2,
                               .context_length = 8});
  const auto x = builder.embedding("embedding", builder.token_ids(), builder.weight(identity("e")));
  const auto attended = builder.attention(
      "attention", x, x, x, {.layer = 0, .heads = 1, .kv_heads = 1, .head_size = 2, .scale = 2.0f});
  const auto graph = builder.finish("head", attended, builder.weight(identity("h")));
  const auto model = make_reference_backend()->load(graph, {});
  const auto session = model->new_session({});
  const std::vector<int64_t> tokens = {0, 1};
  const auto logits = session->step(tokens, LogitsOf::kLastToken);
  const double weight = std::exp(2.0) / (std::exp(2.0) + 1.0);
  EXPECT_NEAR(logits[0], 1.0 - weight, 1e-6);
  EXPECT_NEAR(logits[1], weight, 1e-6);
}

}  // namespace
}  // namespace mm_orch::testing
