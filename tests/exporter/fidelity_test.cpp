#include "exporter/fidelity.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "backend/plugin.h"
#include "exporter/exporter.h"
#include "exporter/fidelity_figures.h"
#include "exporter/fidelity_report.h"
#include "mm_orch/log.h"
#include "support/model_folder.h"
#include "support/random_models.h"
#include "support/scripted_backend.h"

namespace mm_orch::exporter {
namespace {

namespace fs = std::filesystem;

TEST(FidelityMeter, GivesTheFiguresThatPaperGives) {
  const auto ln3 = static_cast<float>(std::log(3.0));
  FidelityMeter meter;
  // (3/4, 1/4) against (1/2, 1/2), then (1/4, 3/4) against (3/4, 1/4).
  ASSERT_TRUE(meter.add(0, std::vector{ln3, 0.0f}, std::vector{0.0f, 0.0f}));
  ASSERT_TRUE(meter.add(1, std::vector{0.0f, ln3}, std::vector{2 * ln3, ln3}));
  const auto figures = meter.figures();
  const double first = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  const double second = 0.5 * std::log(3.0);
  EXPECT_EQ(figures.tokens, 2);
  EXPECT_NEAR(figures.mean_kl, (first + second) / 2, 1e-7);
  EXPECT_NEAR(figures.max_kl, second, 1e-7);
  EXPECT_NEAR(figures.max_logit_error, 2 * std::log(3.0), 1e-6);
  EXPECT_NEAR(figures.mean_logit_error, (std::log(3.0) / 2 + std::log(3.0)) / 2, 1e-6);
  EXPECT_NEAR(figures.max_relative_error, 2, 1e-6);
  EXPECT_NEAR(figures.mean_relative_error, 0.75, 1e-6);
  EXPECT_EQ(figures.top1_agreement, 0.5);
  EXPECT_EQ(figures.first_divergence, 1);
}

TEST(FidelityMeter, RefusesWhatIsNotFinite) {
  FidelityMeter meter;
  EXPECT_FALSE(meter.add(0, std::vector{1.0f, 0.0f}, std::vector{0.0f, std::nanf("")}));
  EXPECT_FALSE(meter.add(0, std::vector{1.0f, 0.0f}, std::vector{0.0f, -INFINITY}));
}

class Fidelity : public ::testing::Test {
 protected:
  Fidelity() {
    testing::write_tiny_gpt2("tiny");
    set_log_sink([this](LogLevel, std::string_view message) { records.emplace_back(message); });
  }
  ~Fidelity() override { set_log_sink({}); }

  FidelityReport run(ExportRequest request = {}) {
    request.folder = "out";
    request.stem = "tiny";
    const auto source = weights::open_model("tiny");
    return export_model(*source, backend::get_backend("openvino"), request).fidelity;
  }
  void scale_logits(float factor) {
    openvino->change_logits = [factor](std::span<float> logits) {
      for (float& logit : logits) logit *= factor;
    };
  }
  static std::map<std::string, std::string> metadata() {
    return backend::get_backend("openvino").open_artifact("out/tiny.xml")->metadata();
  }

  testing::ScratchFolder scratch;
  std::shared_ptr<testing::Faults> pytorch = testing::register_scripted_backend("pytorch");
  std::shared_ptr<testing::Faults> openvino = testing::register_scripted_backend("openvino");
  std::vector<std::string> records;
};

TEST_F(Fidelity, AFaithfulModelPassesAndItsReportLiesBesideIt) {
  std::vector<std::string> stages;
  const auto report = run({.progress = [&](int64_t, int64_t, const std::string& what) {
    if (stages.empty() || stages.back() != what) stages.push_back(what);
  }});
  EXPECT_EQ(report.status, FidelityStatus::kPassed) << fidelity_summary(report);
  ASSERT_TRUE(report.figures);
  EXPECT_GT(report.figures->tokens, 200);
  EXPECT_LT(report.figures->max_relative_error, 1e-5);
  EXPECT_GT(report.seconds, 0);
  EXPECT_EQ(stages, (std::vector<std::string>{"weights", "checking"}));
  EXPECT_TRUE(records.empty());
  // Token by token, all prompts at once.
  EXPECT_EQ(openvino->steps, report.figures->tokens / 4);
  EXPECT_EQ(pytorch->steps, report.figures->tokens / 4);
  EXPECT_EQ(openvino->live_models + pytorch->live_models, 0);
  EXPECT_EQ(testing::read_text("out/tiny.fidelity.json"), fidelity_json(report));
  const auto read = read_fidelity("out/tiny.xml", metadata());
  ASSERT_TRUE(read);
  EXPECT_EQ(fidelity_json(*read), fidelity_json(report));
}

TEST_F(Fidelity, TheReportIsVersionedJson) {
  const auto report = nlohmann::json::parse(fidelity_json(run()));
  EXPECT_EQ(report.at("version"), 1);
  EXPECT_EQ(report.at("status"), "passed");
  EXPECT_EQ(report.at("precision"), "FP32");
  EXPECT_EQ(report.at("bounds").at("max_relative_error"), 1e-3);
  EXPECT_EQ(report.at("source_fingerprint"), weights::open_model("tiny")->fingerprint());
  for (const char* key : {"max_logit_error", "mean_logit_error", "mean_kl", "top1_agreement"})
    EXPECT_TRUE(report.at("figures").at(key).is_number()) << key;
}

TEST_F(Fidelity, AnEncoderIsJudgedByItsVectors) {
  testing::write_model(testing::random_bert(), "tiny");
  fs::remove("tiny/tokenizer.json");
  auto report = run();
  EXPECT_EQ(report.status, FidelityStatus::kPassed) << fidelity_summary(report);
  EXPECT_FALSE(report.figures);
  ASSERT_TRUE(report.vectors);
  EXPECT_EQ(report.vectors->tokens, 4 * 64);
  EXPECT_GT(report.vectors->min_cosine, 1 - 1e-9);
  const auto read = read_fidelity("out/tiny.xml", metadata());
  ASSERT_TRUE(read && read->vectors);
  EXPECT_EQ(fidelity_json(*read), fidelity_json(report));

  // Another length is not another direction: the error finds it, in FP32.
  scale_logits(1.01f);
  report = run();
  EXPECT_EQ(report.status, FidelityStatus::kFailed);
  EXPECT_NE(report.reason.find("of its range"), std::string::npos) << report.reason;
  openvino->change_logits = [](std::span<float> vectors) { vectors[0] += 50; };
  report = run({.precision = backend::Precision::kINT8});
  EXPECT_EQ(report.status, FidelityStatus::kFailed);
  EXPECT_NE(report.reason.find("cosine"), std::string::npos) << report.reason;
  openvino->change_logits = [](std::span<float> vectors) { vectors[40] = std::nanf(""); };
  EXPECT_EQ(run().status, FidelityStatus::kFailed);
}

TEST_F(Fidelity, AWrongModelFailsAndIsKept) {
  scale_logits(2);
  const auto report = run();
  EXPECT_EQ(report.status, FidelityStatus::kFailed);
  EXPECT_NE(report.reason.find("mean KL divergence"), std::string::npos) << report.reason;
  EXPECT_EQ(report.figures->top1_agreement, 1);
  EXPECT_TRUE(fs::exists("out/tiny.xml"));
  EXPECT_EQ(read_fidelity("out/tiny.xml", metadata())->status, FidelityStatus::kFailed);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_NE(records[0].find("failed"), std::string::npos) << records[0];
}

TEST_F(Fidelity, ForcedItIsAccepted) {
  scale_logits(2);
  const auto report = run({.force = true});
  EXPECT_EQ(report.status, FidelityStatus::kAccepted);
  EXPECT_FALSE(report.reason.empty());
}

// All logits one higher is the same distribution, but FP32 promises the logits too.
TEST_F(Fidelity, FullPrecisionIsHeldToTheLogitsAsWell) {
  openvino->change_logits = [](std::span<float> logits) {
    for (float& logit : logits) logit += 1;
  };
  EXPECT_EQ(run().status, FidelityStatus::kFailed);
  EXPECT_EQ(run({.precision = backend::Precision::kFP16}).status, FidelityStatus::kPassed);
}

TEST_F(Fidelity, LowerPrecisionsHaveWiderBounds) {
  scale_logits(1.05f);
  EXPECT_EQ(run().status, FidelityStatus::kFailed);
  EXPECT_EQ(run({.precision = backend::Precision::kFP16}).status, FidelityStatus::kPassed);
  scale_logits(2);
  EXPECT_EQ(run({.precision = backend::Precision::kINT8}).status, FidelityStatus::kFailed);
}

TEST_F(Fidelity, NaNFailsAndNamesThePosition) {
  openvino->nan_at_step = 40;
  const auto report = run();
  EXPECT_EQ(report.status, FidelityStatus::kFailed);
  EXPECT_EQ(report.reason, "NaN or Inf in the logits at position 40");
  EXPECT_FALSE(report.figures);
}

TEST_F(Fidelity, AModelThatDoesNotCompileOrRunFails) {
  openvino->at_compile = [](const auto&) { throw ModelLoadError("no kernel"); };
  auto report = run();
  EXPECT_EQ(report.status, FidelityStatus::kFailed);
  EXPECT_NE(report.reason.find("no kernel"), std::string::npos);
  openvino->at_compile = {};
  openvino->at_step = [](int64_t n) {
    if (n == 3) throw InferenceError("broke");
  };
  report = run();
  EXPECT_EQ(report.status, FidelityStatus::kFailed);
  EXPECT_NE(report.reason.find("broke"), std::string::npos);
}

TEST_F(Fidelity, WithoutPyTorchTheModelIsUncheckedWithAWarning) {
  pytorch->at_load = [] { throw BackendInitializationError("torch is not installed"); };
  const auto report = run();
  EXPECT_EQ(report.status, FidelityStatus::kUnchecked);
  EXPECT_NE(report.reason.find("torch is not installed"), std::string::npos);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_NE(records[0].find("torch is not installed"), std::string::npos);
}

TEST_F(Fidelity, WithoutMemoryForBothTheModelIsUnchecked) {
  openvino->at_compile = [](const auto&) { throw std::bad_alloc(); };
  const auto report = run();
  EXPECT_EQ(report.status, FidelityStatus::kUnchecked);
  EXPECT_NE(report.reason.find("memory"), std::string::npos);
}

TEST_F(Fidelity, NotAskedForNothingIsLoaded) {
  const auto report = run({.check = false});
  EXPECT_EQ(report.status, FidelityStatus::kUnchecked);
  EXPECT_EQ(report.reason, "not asked for");
  EXPECT_EQ(openvino->loads + pytorch->loads, 0);
  EXPECT_TRUE(records.empty());
  EXPECT_TRUE(read_fidelity("out/tiny.xml", metadata()));
}

TEST_F(Fidelity, CancellingTheCheckLeavesNothing) {
  const auto cancel = [](int64_t done, int64_t, const std::string& what) {
    if (what == "checking" && done == 5) throw CancelledError("enough");
  };
  EXPECT_THROW(run({.progress = cancel}), CancelledError);
  EXPECT_FALSE(fs::exists("out"));
}

TEST_F(Fidelity, AModelOfIdsOnlyIsCheckedOnSeededIds) {
  fs::remove("tiny/tokenizer.json");
  const auto report = run();
  EXPECT_EQ(report.status, FidelityStatus::kPassed);
  EXPECT_EQ(report.figures->tokens, 4 * 64);
}

TEST_F(Fidelity, AnotherModelsReportIsNotThisOnes) {
  run();
  auto other = metadata();
  EXPECT_TRUE(read_fidelity("out/tiny.xml", other));
  other["precision"] = "INT8";
  EXPECT_FALSE(read_fidelity("out/tiny.xml", other));
  EXPECT_FALSE(read_fidelity("out/tiny.xml", {}));
  EXPECT_FALSE(read_fidelity("out/absent.xml", metadata()));
}

TEST_F(Fidelity, ADamagedReportIsNamed) {
  run();
  const auto whole = testing::read_text("out/tiny.fidelity.json");
  auto later = whole;
  later.replace(later.find("\"version\": 1"), 12, "\"version\": 9");
  for (const auto& content : {std::string(), whole.substr(0, whole.size() / 2), later}) {
    testing::write_text("out/tiny.fidelity.json", content);
    EXPECT_THROW(read_fidelity("out/tiny.xml", metadata()), FileValidationError) << content;
  }
}

}  // namespace
}  // namespace mm_orch::exporter
