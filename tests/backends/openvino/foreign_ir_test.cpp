// IRs that optimum-intel made (tests/data/optimum_ir), against transformers' logits.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "openvino_fixture.h"

namespace mm_orch::openvino {
namespace {

class OptimumIr : public ::testing::TestWithParam<std::string> {
 protected:
  static std::string file(const std::string& suffix) {
    return std::string(MM_ORCH_TEST_DATA) + "/optimum_ir/" + GetParam() + suffix;
  }
  static std::shared_ptr<backend::LoadedModel> compile() {
    const auto artifact = OpenVinoBackend().open_artifact(file(".xml"));
    EXPECT_TRUE(artifact->metadata().empty());
    std::ifstream config(file(".json"));
    return artifact->compile(models::model_info(nlohmann::json::parse(config)), {});
  }
  static std::vector<float> reference() {
    std::ifstream in(file(".logits"), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  static std::vector<int64_t> tokens() {
    std::vector<int64_t> result;
    for (int64_t id = 1; id < 37; id += 3) result.push_back(id);
    return result;
  }
};

TEST_P(OptimumIr, OneShotGivesTransformersLogits) {
  const auto model = compile();
  EXPECT_EQ(model->precision(), "FP32");
  const auto logits = step(*model->new_session({}), tokens(), LogitsOf::kAllTokens);
  EXPECT_LT(error_of(logits, reference()), 1e-5);
}

TEST_P(OptimumIr, StepByStepGivesTransformersLogits) {
  const auto session = compile()->new_session({});
  std::vector<float> logits;
  for (const int64_t token : tokens()) {
    const auto one = step(*session, {token});
    logits.insert(logits.end(), one.begin(), one.end());
  }
  EXPECT_LT(error_of(logits, reference()), 1e-5);
}

TEST_P(OptimumIr, LastTokenIsCutBeforeTheProjection) {
  const auto all = reference();
  const auto logits = step(*compile()->new_session({}), tokens());
  ASSERT_EQ(logits.size() * 12, all.size());
  EXPECT_LT(error_of(logits, std::span(all).last(logits.size())), 1e-5);
}

TEST_P(OptimumIr, PaddedSequenceGivesTransformersLogits) {
  auto padded = tokens();
  padded.insert(padded.begin(), 3, 0);
  const auto session = compile()->new_session({.batch = 1, .padding = {3}, .capacity = 0});
  const auto all = reference();
  const auto logits = step(*session, padded);
  EXPECT_LT(error_of(logits, std::span(all).last(logits.size())), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Models, OptimumIr, ::testing::Values("llama", "gpt2"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace mm_orch::openvino
