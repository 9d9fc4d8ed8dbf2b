// Over a backend whose speed and faithfulness its settings say.
#include "exporter/tuning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

#include "backend/plugin.h"
#include "exporter/decoder_reference.h"
#include "exporter/tuning_report.h"
#include "mm_orch/diagnostics.h"
#include "mm_orch/log.h"
#include "models/registry.h"
#include "support/model_folder.h"
#include "support/reference_backend.h"
#include "support/scripted_backend.h"

namespace mm_orch::exporter {
namespace {

namespace fs = std::filesystem;
using backend::LoadOptions;

// "MS": how long a step takes. "FACTOR": what the logits are multiplied by. "BROKEN": it does not
// compile.
class PacedSession final : public backend::Session {
 public:
  PacedSession(std::unique_ptr<Session> inner, int ms, float factor)
      : inner_(std::move(inner)), ms_(ms), factor_(factor) {}
  std::span<const float> step(std::span<const int64_t> tokens, backend::LogitsOf of) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms_));
    const auto logits = inner_->step(tokens, of);
    scaled_.assign(logits.begin(), logits.end());
    for (float& logit : scaled_) logit *= factor_;
    return scaled_;
  }
  void reorder(std::span<const int32_t> source) override { inner_->reorder(source); }
  int64_t length() const override { return inner_->length(); }

 private:
  std::unique_ptr<Session> inner_;
  int ms_;
  float factor_;
  std::vector<float> scaled_;
};

class PacedModel final : public backend::LoadedModel {
 public:
  PacedModel(std::shared_ptr<LoadedModel> inner, const LoadOptions& options)
      : inner_(std::move(inner)) {
    const auto& settings = options.properties;
    if (const auto ms = settings.find("MS"); ms != settings.end()) ms_ = std::stoi(ms->second);
    if (const auto factor = settings.find("FACTOR"); factor != settings.end())
      factor_ = std::stof(factor->second);
  }
  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override {
    return std::make_unique<PacedSession>(inner_->new_session(options), ms_, factor_);
  }
  std::string device() const override { return "CPU"; }
  std::string precision() const override { return "INT8"; }
  uint64_t memory_bytes() const override { return 0; }

 private:
  std::shared_ptr<LoadedModel> inner_;
  int ms_ = 8;
  float factor_ = 1;
};

std::vector<backend::TuningAxis> axes;

class PacedArtifact final : public backend::Artifact {
 public:
  explicit PacedArtifact(graph::Graph graph) : graph_(std::move(graph)) {}
  std::map<std::string, std::string> metadata() const override { return {{"precision", "INT8"}}; }
  std::shared_ptr<backend::LoadedModel> compile(const graph::ModelInfo&,
                                                const LoadOptions& options) override {
    if (options.properties.count("BROKEN")) throw ModelLoadError("BROKEN does not compile");
    return std::make_shared<PacedModel>(testing::make_reference_backend()->load(graph_, {}),
                                        options);
  }
  std::vector<backend::TuningAxis> tuning_axes(const graph::ModelInfo&) override { return axes; }

 private:
  graph::Graph graph_;
};

class PacedBackend final : public backend::Backend {
 public:
  std::string name() const override { return "openvino"; }
  std::string sdk_version() const override { return "7.0"; }
  std::vector<backend::DeviceInfo> devices() const override { return {}; }
  std::shared_ptr<backend::LoadedModel> load(const graph::Graph&, const LoadOptions&) override {
    return nullptr;
  }
  bool uses_artifacts() const override { return true; }
  void export_artifact(const graph::Graph&, const fs::path&,
                       const backend::ExportOptions&) override {}
  std::unique_ptr<backend::Artifact> open_artifact(const fs::path&) override {
    return std::make_unique<PacedArtifact>(models::build_graph(*weights::open_model("tiny")));
  }
};

class Tuning : public ::testing::Test {
 protected:
  Tuning() {
    testing::write_tiny_gpt2("tiny");
    testing::register_scripted_backend("pytorch");
    testing::write_text("m.xml", "<net/>");
    testing::write_text("m.bin", "1234");
    set_log_sink(
        [this](LogLevel level, std::string_view message) { records.emplace_back(level, message); });
  }
  ~Tuning() override {
    set_log_sink({});
    axes.clear();
  }

  TuningReport run(bool with_source = true) {
    const auto source = weights::open_model("tiny");
    return tune({.source = with_source ? source.get() : nullptr,
                 .backend = backend,
                 .xml = "m.xml",
                 .info = models::model_info(source->config())});
  }
  const TuningTrial& trial(const TuningReport& report, const BackendSettings& settings) {
    const auto found = std::ranges::find(report.trials, settings, &TuningTrial::settings);
    EXPECT_NE(found, report.trials.end());
    return *found;
  }

  testing::ScratchFolder scratch;
  PacedBackend backend;
  std::vector<std::pair<LogLevel, std::string>> records;
};

TEST_F(Tuning, KeepsTheFastestOfEachAxis) {
  axes = {{.choices = {{{"MS", "16"}}, {{"MS", "4"}}}, .changes_results = true},
          {.choices = {{{"MS", "1"}}, {{"MS", "2"}}}, .changes_results = false}};
  const auto report = run();
  EXPECT_EQ(report.settings, (BackendSettings{{"MS", "1"}}));
  ASSERT_EQ(report.trials.size(), 5u);
  EXPECT_TRUE(report.trials[0].settings.empty());
  EXPECT_FALSE(trial(report, {{"MS", "16"}}).kept);
  EXPECT_TRUE(trial(report, {{"MS", "4"}}).kept);
  EXPECT_TRUE(trial(report, {{"MS", "1"}}).kept);
  EXPECT_FALSE(trial(report, {{"MS", "2"}}).kept);
  EXPECT_GE(report.trials[0].decode_ms, 8);
  EXPECT_GT(report.seconds, 0);
}

TEST_F(Tuning, WhatIsFastAndWrongIsNotKept) {
  axes = {{.choices = {{{"MS", "1"}, {"FACTOR", "3"}}, {{"MS", "3"}}}, .changes_results = true}};
  const auto report = run();
  EXPECT_EQ(report.settings, (BackendSettings{{"MS", "3"}}));
  const auto& wrong = trial(report, {{"MS", "1"}, {"FACTOR", "3"}});
  EXPECT_FALSE(wrong.kept);
  ASSERT_TRUE(wrong.mean_kl);
  EXPECT_GT(*wrong.mean_kl, 0.015);
  EXPECT_EQ(wrong.outcome, "mean KL above 0.015");
  EXPECT_LT(trial(report, {{"MS", "3"}}).mean_kl, 1e-6);
}

TEST_F(Tuning, WithoutASourceOnlyWhatComputesTheSameIsTried) {
  axes = {{.choices = {{{"MS", "1"}}}, .changes_results = true},
          {.choices = {{{"MS", "3"}}}, .changes_results = false}};
  EXPECT_EQ(run(false).settings, (BackendSettings{{"MS", "3"}}));
}

TEST_F(Tuning, AChoiceThatDoesNotCompileIsNotTheEnd) {
  axes = {{.choices = {{{"BROKEN", "1"}}, {{"MS", "2"}}}, .changes_results = true}};
  const auto report = run();
  EXPECT_EQ(trial(report, {{"BROKEN", "1"}}).outcome, "BROKEN does not compile");
  EXPECT_EQ(report.settings, (BackendSettings{{"MS", "2"}}));
}

TEST_F(Tuning, WhereNothingIsFasterTheModelsOwnSettingsStay) {
  axes = {{.choices = {{{"MS", "16"}}}, .changes_results = false}};
  EXPECT_TRUE(run().settings.empty());
  axes = {};
  const auto report = run();
  ASSERT_EQ(report.trials.size(), 1u);
  EXPECT_GE(report.trials[0].decode_ms, 8);
}

TEST_F(Tuning, AnEncoderAloneIsRefused) {
  EXPECT_THROW(
      tune({.backend = backend, .xml = "m.xml", .info = {.kind = graph::ModelKind::kEncoder}}),
      InvalidInputError);
}

TEST_F(Tuning, AModelThatDoesNotFitTwiceIsRefused) {
  fs::resize_file("m.bin", diagnose_host().memory_bytes);
  EXPECT_THROW(run(), OutOfMemoryError);
  EXPECT_FALSE(fs::exists("m.tuning.json"));
}

TEST_F(Tuning, AModelThatDoesNotFitBesideIsNotComparedWithPyTorch) {
  const auto source = weights::open_model("tiny");
  auto graph = models::build_graph(*source);
  auto& data = graph.weights.front().parts.front().data;
  data = {data.data(), diagnose_host().memory_bytes};  // never read
  testing::register_scripted_backend("pytorch")->at_load = [] {
    throw BackendError("it was loaded");
  };
  EXPECT_THROW(DecoderReference(*source, graph), OutOfMemoryError);
}

TEST_F(Tuning, TheReportIsReadBack) {
  axes = {{.choices = {{{"MS", "1"}}}, .changes_results = true}};
  const auto report = run();
  EXPECT_EQ(testing::read_text("m.tuning.json"), tuning_json(report));
  const auto read = read_tuning("m.xml");
  ASSERT_TRUE(read);
  EXPECT_EQ(tuning_json(*read), tuning_json(report));
  EXPECT_EQ(stale_part(*read, "m.xml", "7.0"), "");
  EXPECT_EQ(tuned_settings("m.xml", "7.0"), (BackendSettings{{"MS", "1"}}));
  EXPECT_TRUE(records.empty());
}

TEST_F(Tuning, OfAnotherMachineVersionOrModelItIsIgnoredWithOneLine) {
  axes = {{.choices = {{{"MS", "1"}}}, .changes_results = true}};
  const auto report = run();
  const auto ignored = [&](const TuningReport& other, const std::string& version,
                           const std::string& part) {
    records.clear();
    testing::write_text("m.tuning.json", tuning_json(other));
    EXPECT_TRUE(tuned_settings("m.xml", version).empty()) << part;
    ASSERT_EQ(records.size(), 1u) << part;
    EXPECT_EQ(records[0].first, LogLevel::kInfo);
    EXPECT_NE(records[0].second.find("made for another " + part), std::string::npos)
        << records[0].second;
  };
  auto other = report;
  other.machine.cpu = "another";
  ignored(other, "7.0", "machine");
  other = report;
  other.machine.cores = 1000;
  ignored(other, "7.0", "machine");
  other = report;
  other.library_version = "0.0.1";
  ignored(other, "7.0", "mm_orch");
  ignored(report, "7.1", "openvino");
  testing::write_text("m.xml", "<net></net>");
  ignored(report, "7.0", "model");
}

TEST_F(Tuning, ADamagedReportIsIgnoredWithAWarning) {
  axes = {{.choices = {{{"MS", "1"}}}, .changes_results = true}};
  const auto good = tuning_json(run());
  for (const auto& bad : {std::string(), std::string("{}"), std::string("[1]"),
                          good.substr(0, good.size() / 2), std::string("\xff\xfe")}) {
    records.clear();
    testing::write_text("m.tuning.json", bad);
    EXPECT_TRUE(tuned_settings("m.xml", "7.0").empty());
    ASSERT_EQ(records.size(), 1u) << bad;
    EXPECT_EQ(records[0].first, LogLevel::kWarning);
  }
  fs::remove("m.tuning.json");
  records.clear();
  EXPECT_TRUE(tuned_settings("m.xml", "7.0").empty());
  EXPECT_TRUE(records.empty());
}

}  // namespace
}  // namespace mm_orch::exporter
