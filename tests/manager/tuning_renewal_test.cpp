// A load that may export also tunes again what was tuned for another machine, version or export.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/replaced_file.h"
#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kReport = "models/openvino/tiny/tiny.tuning.json";
constexpr const char* kMayExport = "auto_export: true, enable_fallback: false";
constexpr const char* kMayNot = "enable_fallback: false";

class TuningRenewal : public ManagerTest {
 protected:
  void export_tuned() { ModelManager().export_model("tiny", {.check = false, .tune = true}); }
  static json report() { return json::parse(testing::read_text(kReport)); }
  static void change(const std::string& key, const json& value) {
    auto changed = report();
    changed[key] = value;
    testing::write_text(kReport, changed.dump());
  }
  // The compilations that the load took: one, if nothing was tuned.
  int64_t load(const std::string& openvino_options, std::optional<std::string> device = {}) {
    ModelManager manager(with_config("{default: openvino, openvino: {" + openvino_options + "}}"));
    const int64_t before = openvino->loads;
    manager.load_model("tiny", "transformers", {.device = std::move(device)});
    EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");
    return openvino->loads - before;
  }
};

TEST_F(TuningRenewal, WhatIsOutOfDateIsMeasuredAgainOnce) {
  export_tuned();
  const auto good = report();
  for (const auto* key : {"openvino", "mm_orch", "model"}) {
    change(key, "another");
    change("seconds", -1);
    EXPECT_GT(load(kMayExport), 1);
    EXPECT_EQ(report()[key], good[key]);
    EXPECT_GT(report()["seconds"], 0);
    EXPECT_EQ(load(kMayExport), 1);
  }
  testing::write_text(kReport, "damaged");
  EXPECT_GT(load(kMayExport), 1);
  EXPECT_EQ(report()["model"], good["model"]);
}

TEST_F(TuningRenewal, ANewExportOfATunedModelIsTuned) {
  export_tuned();
  const auto old = report();
  testing::write_tiny_gpt2("models/tiny", 2);
  EXPECT_GT(load(kMayExport), 1);
  EXPECT_NE(report()["model"], old["model"]);
}

TEST_F(TuningRenewal, WithoutBeingAskedALoadMeasuresNothing) {
  export_tuned();
  change("openvino", "another");
  EXPECT_EQ(load(kMayNot), 1);
  EXPECT_EQ(report()["openvino"], "another");
  EXPECT_EQ(load(kMayExport, "GPU"), 1);
  EXPECT_EQ(report()["openvino"], "another");
}

TEST_F(TuningRenewal, WhatWasNeverTunedStaysSo) {
  ModelManager().export_model("tiny", {.check = false});
  EXPECT_EQ(load(kMayExport), 1);
  EXPECT_FALSE(fs::exists(kReport));
}

TEST_F(TuningRenewal, WhereItCannotBeKeptNothingIsMeasuredAndTheModelServes) {
  export_tuned();
  change("openvino", "another");
  {
    const ReplacedFile other(kReport);  // another process tunes
    EXPECT_EQ(load(kMayExport), 1);
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find("another writes it now"), std::string::npos) << warnings[0];
  }
  fs::create_directories("models/openvino/tiny/.tiny.tuning.json.tmp/in the way");
  EXPECT_EQ(load(kMayExport), 1);
  EXPECT_EQ(warnings.size(), 2u);
  EXPECT_EQ(report()["openvino"], "another");
}

}  // namespace
}  // namespace mm_orch::manager
