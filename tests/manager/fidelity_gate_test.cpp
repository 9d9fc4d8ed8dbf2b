// An export that fails its fidelity check is not used, unless forced.
#include <filesystem>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

class FidelityGate : public ManagerTest {
 protected:
  FidelityGate() {
    openvino->change_logits = [](std::span<float> logits) {
      for (float& logit : logits) logit *= 2;
    };
  }
  static ModelManagerOptions strict() {
    return with_config("{default: openvino, openvino: {enable_fallback: false}}");
  }
};

TEST_F(FidelityGate, PyTorchAnswersForAModelThatFailed) {
  EXPECT_EQ(ModelManager().export_model("tiny").fidelity.status, FidelityStatus::kFailed);
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  ModelManager reference;
  reference.load_model("tiny");
  EXPECT_EQ(manager.generate("tiny", "Hello"), reference.generate("tiny", "Hello"));
  const auto events = manager.get_fallback_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, FallbackReason::kFidelityCheckFailed);
  EXPECT_NE(events[0].message.find("mean KL"), std::string::npos) << events[0].message;
}

TEST_F(FidelityGate, WithoutFallbackTheErrorHasTheFiguresAndTheCommand) {
  ModelManager manager(strict());
  manager.export_model("tiny", {.precision = "INT8"});
  try {
    manager.load_model("tiny");
    FAIL() << "no error";
  } catch (const FidelityError& error) {
    const std::string message = error.what();
    for (const char* part : {"models/openvino/tiny/tiny.xml is not used", "mean KL",
                             "export_to_openvino.py tiny --precision INT8 --force"})
      EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

TEST_F(FidelityGate, ForcedOrUncheckedItIsUsed) {
  ModelManager manager(strict());
  for (const ExportModelOptions& options :
       {ExportModelOptions{.force = true}, ExportModelOptions{.check = false}}) {
    manager.export_model("tiny", options);
    manager.load_model("tiny");
    EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");
    manager.unload_model("tiny");
  }
}

TEST_F(FidelityGate, AnAutomaticExportIsCheckedOnceAndFallsBack) {
  ModelManager manager(with_config("{default: openvino, openvino: {auto_export: true}}"));
  manager.load_model("tiny");
  manager.unload_model("tiny");
  manager.load_model("tiny");
  EXPECT_EQ(manager.get_model_info("tiny").backend, "pytorch");
  EXPECT_EQ(openvino->exports, 1);
  EXPECT_EQ(manager.get_fallback_events().at(1).reason, FallbackReason::kFidelityCheckFailed);
}

TEST_F(FidelityGate, AnotherExportOfTheNameIsNotHeldToTheOldReport) {
  ModelManager manager(strict());
  manager.export_model("tiny");
  openvino->change_logits = {};
  const auto report = testing::read_text("models/openvino/tiny/tiny.fidelity.json");
  manager.export_model("tiny", {.precision = "FP16"});
  testing::write_text("models/openvino/tiny/tiny.fidelity.json", report);
  EXPECT_NO_THROW(manager.load_model("tiny"));
}

}  // namespace
}  // namespace mm_orch::manager
