// Every reason of the closed list, with and without fallback, at load.
#include "manager/fallback.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* what;
  FallbackReason reason;
  ErrorCode code;    // of the error without fallback
  std::string part;  // of its message
  std::function<void(testing::Faults& openvino)> break_it;
};

std::vector<Case> cases() {
  const auto not_available = [](testing::Faults& faults) {
    faults.at_open = [] { throw BackendInitializationError("OpenVINO backend not available: no"); };
  };
  return {
      {"backend", FallbackReason::kBackendNotAvailable, ErrorCode::kBackendInitialization,
       "OpenVINO backend not available", not_available},
      {"not exported", FallbackReason::kModelNotExported, ErrorCode::kModelNotFound,
       "Model file not found: models/openvino/tiny/tiny.xml. Export the model with: python "
       "scripts/export_to_openvino.py tiny",
       [](testing::Faults&) { fs::remove_all("models/openvino/tiny"); }},
      {"damaged", FallbackReason::kModelFileInvalid, ErrorCode::kFileValidation, "tiny.xml",
       [](testing::Faults&) { testing::write_text("models/openvino/tiny/tiny.xml", "<net"); }},
      {"other weights", FallbackReason::kModelFileInvalid, ErrorCode::kFileValidation,
       "exported from other weights",
       [](testing::Faults&) { testing::write_tiny_gpt2("models/tiny", 2); }},
      {"compile", FallbackReason::kCompileFailed, ErrorCode::kModelLoad, "no such operation",
       [](testing::Faults& faults) {
         faults.at_compile = [](const auto&) { throw ModelLoadError("no such operation"); };
       }},
      {"untyped", FallbackReason::kCompileFailed, ErrorCode::kModelLoad, "surprise",
       [](testing::Faults& faults) {
         faults.at_compile = [](const auto&) { throw std::runtime_error("surprise"); };
       }},
      {"device", FallbackReason::kDeviceNotAvailable, ErrorCode::kDevice,
       "Device 'AUTO' not available",
       [](testing::Faults& faults) {
         faults.at_compile = [](const auto&) { throw DeviceError("Device 'AUTO' not available"); };
       }},
      {"inference", FallbackReason::kInferenceFailed, ErrorCode::kInference, "kernel failed",
       [](testing::Faults& faults) {
         faults.at_step = [](int64_t) { throw InferenceError("kernel failed"); };
       }},
      {"nan", FallbackReason::kNumericFault, ErrorCode::kNumericFault, "NaN",
       [](testing::Faults& faults) { faults.nan_at_step = 1; }},
      {"memory", FallbackReason::kOutOfMemory, ErrorCode::kOutOfMemory, "memory",
       [](testing::Faults& faults) {
         faults.at_compile = [](const auto&) { throw std::bad_alloc(); };
       }},
  };
}

class FallbackAtLoad : public ManagerTest {
 protected:
  void prepare(const Case& broken) {
    fs::remove_all("models");
    testing::write_tiny_gpt2("models/tiny");
    openvino = testing::register_scripted_backend("openvino");
    ModelManager().export_model("tiny", {.check = false});
    broken.break_it(*openvino);
    warnings.clear();
  }
};

TEST_F(FallbackAtLoad, PyTorchAnswersAndTheEventIsRecordedOnce) {
  for (const auto& broken : cases()) {
    SCOPED_TRACE(broken.what);
    prepare(broken);
    ModelManager manager(on("openvino"));
    manager.load_model("tiny");
    manager.load_model("tiny");
    ModelManager reference;
    reference.load_model("tiny");
    EXPECT_EQ(manager.generate("tiny", "Hello"), reference.generate("tiny", "Hello"));
    EXPECT_EQ(manager.get_model_info("tiny").backend, "pytorch");
    const auto events = manager.get_fallback_events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].reason, broken.reason);
    EXPECT_EQ(events[0].model, "tiny");
    EXPECT_EQ(events[0].from_backend, "openvino");
    EXPECT_EQ(events[0].to_backend, "pytorch");
    EXPECT_NE(events[0].message.find(broken.part), std::string::npos) << events[0].message;
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find(fallback_reason_name(broken.reason)), std::string::npos);
    EXPECT_EQ(manager.get_performance_stats("openvino").fallback_count, 1);
    EXPECT_EQ(manager.get_performance_stats("pytorch").sample_count, 1);
  }
}

TEST_F(FallbackAtLoad, WithoutFallbackTheErrorIsTheAnswer) {
  for (const auto& broken : cases()) {
    SCOPED_TRACE(broken.what);
    prepare(broken);
    auto options = with_config("openvino: {enable_fallback: false}");
    options.backend = "openvino";
    ModelManager manager(options);
    try {
      manager.load_model("tiny");
      ADD_FAILURE() << "no error";
    } catch (const MuAIError& error) {
      EXPECT_EQ(error.code(), broken.code) << error_name(error.code());
      EXPECT_NE(std::string(error.what()).find(broken.part), std::string::npos) << error.what();
    }
    EXPECT_FALSE(manager.is_loaded("tiny"));
    EXPECT_TRUE(manager.get_fallback_events().empty());
    EXPECT_TRUE(warnings.empty());
  }
}

TEST_F(ManagerTest, GpuFallsBackToCpuWithTheGuidesWarning) {
  ModelManager manager(with_config("{default: openvino, openvino: {device: GPU}}"));
  manager.export_model("tiny");
  openvino->at_compile = [](const std::string& device) {
    if (device == "GPU") throw DeviceError("Device 'GPU' not available; there are: CPU");
  };
  manager.load_model("tiny");
  EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");
  EXPECT_EQ(manager.get_model_info("tiny").device, "CPU");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("Device 'GPU' not available"), std::string::npos);
  EXPECT_EQ(manager.get_fallback_events().at(0).to_backend, "openvino");

  ModelManager strict(
      with_config("{default: openvino, openvino: {device: GPU, enable_fallback: false}}"));
  EXPECT_THROW(strict.load_model("tiny"), DeviceError);
}

TEST_F(ManagerTest, TheCallersMistakesDoNotFallBack) {
  ModelManager manager(on("openvino"));
  manager.export_model("tiny");
  openvino->at_compile = [](const auto&) { throw ConfigurationError("no property X"); };
  EXPECT_THROW(manager.load_model("tiny"), ConfigurationError);
  EXPECT_TRUE(manager.get_fallback_events().empty());
}

TEST_F(ManagerTest, WhenPyTorchFailsTooBothReasonsAreNamed) {
  ModelManager manager(on("openvino"));
  manager.export_model("tiny");
  openvino->at_compile = [](const auto&) { throw ModelLoadError("first reason"); };
  pytorch->at_load = [] { throw ModelLoadError("second reason"); };
  const auto message = error_of([&] { manager.load_model("tiny"); });
  EXPECT_NE(message.find("first reason"), std::string::npos) << message;
  EXPECT_NE(message.find("PyTorch cannot take over: second reason"), std::string::npos) << message;
}

TEST_F(ManagerTest, AModelThatIsNowhereIsNotFoundWhateverTheBackend) {
  ModelManager manager(on("openvino"));
  EXPECT_THROW(manager.load_model("absent"), ModelNotFoundError);
  const auto message = error_of([&] { manager.load_model("absent"); });
  EXPECT_NE(message.find("Model file not found: models/openvino/absent/absent.xml"),
            std::string::npos)
      << message;
}

TEST(FallbackLog, KeepsTheLastEventsAndCountsAll) {
  FallbackLog log;
  for (size_t i = 0; i < FallbackLog::kMostEvents + 5; ++i)
    log.record(fmt::format("m{}", i), "openvino", "pytorch", FallbackReason::kOutOfMemory, "");
  EXPECT_EQ(log.events().size(), FallbackLog::kMostEvents);
  EXPECT_EQ(log.events().front().model, "m5");
  EXPECT_EQ(log.count("openvino"), static_cast<int64_t>(FallbackLog::kMostEvents + 5));
  EXPECT_EQ(log.count("pytorch"), 0);
}

}  // namespace
}  // namespace mm_orch::manager
