#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

class Reload : public ManagerTest {
 protected:
  Reload() {
    ModelManager().export_model("tiny");
    write("backend:\n  default: openvino\n");
  }
  static void write(const std::string& text) { testing::write_text("backend.yaml", text); }
  static ModelManagerOptions from_file() {
    ModelManagerOptions options;
    options.config_path = "backend.yaml";
    return options;
  }
  static std::string backend_of(ModelManager& manager) {
    manager.load_model("tiny");
    return manager.get_model_info("tiny").backend;
  }
};

TEST_F(Reload, PutsTheFileInForceForTheNextLoads) {
  ModelManager manager(from_file());
  EXPECT_EQ(backend_of(manager), "openvino");
  write("backend:\n  default: pytorch\n");
  manager.reload_config();
  EXPECT_EQ(manager.get_model_info("tiny").backend, "openvino");  // what is loaded stays
  EXPECT_EQ(backend_of(manager), "pytorch");
}

TEST_F(Reload, ABadFileLeavesTheOldOneInForce) {
  ModelManager manager(from_file());
  for (const char* text : {"backend:\n  default: tensorflow\n", "backend: {", "modle_overrides: {}",
                           "backend:\n  default: pytorch\n  openvino:\n    num_threads: -1\n"}) {
    write(text);
    EXPECT_THROW(manager.reload_config(), ConfigurationError) << text;
    EXPECT_EQ(backend_of(manager), "openvino") << text;
    manager.unload_all();
  }
  EXPECT_THROW(manager.replace_config("{default: tensorflow}"), ConfigurationError);
  EXPECT_THROW(manager.reload_config("."), ConfigurationError);
  EXPECT_EQ(backend_of(manager), "openvino");
  write("backend:\n  default: pytorch\n");
  manager.reload_config();  // still of the first file
  EXPECT_EQ(backend_of(manager), "pytorch");
}

TEST_F(Reload, TakesAnotherFileOrTheConfigurationItself) {
  ModelManager manager;
  EXPECT_EQ(backend_of(manager), "pytorch");
  EXPECT_NE(error_of([&] { manager.reload_config(); }).find("none was given"), std::string::npos);
  manager.reload_config("backend.yaml");
  EXPECT_EQ(backend_of(manager), "openvino");
  manager.replace_config("{default: pytorch}");
  EXPECT_EQ(backend_of(manager), "pytorch");
  EXPECT_THROW(manager.reload_config(), InvalidInputError);
}

TEST_F(Reload, AFileThatIsGoneIsPyTorchAndAWarning) {
  ModelManager manager(from_file());
  EXPECT_EQ(backend_of(manager), "openvino");
  std::filesystem::remove("backend.yaml");
  manager.reload_config();
  EXPECT_EQ(warnings.size(), 1u);
  EXPECT_EQ(backend_of(manager), "pytorch");
}

TEST_F(Reload, ALoadedModelIsLoadedAnewOnlyIfItsSettingsChanged) {
  ModelManager manager(from_file());
  manager.load_model("tiny");
  const auto loads = openvino->loads.load();
  manager.reload_config();
  manager.load_model("tiny");
  EXPECT_EQ(openvino->loads, loads);
  write("backend:\n  default: openvino\n  openvino:\n    num_threads: 2\n");
  manager.reload_config();
  manager.load_model("tiny");
  EXPECT_EQ(openvino->loads, loads + 1);
}

TEST_F(Reload, ForgetsThePromptsWhereNoneAreToBeKept) {
  ModelManager manager(from_file());
  manager.load_model("tiny");
  manager.generate("tiny", "abc", {.max_new_tokens = 2});
  manager.replace_config("{default: openvino, statistics: {keep_prompts: false}}");
  EXPECT_THROW(manager.compare_backends("pytorch", "openvino"), InvalidInputError);
}

TEST_F(Reload, AGenerationGoesOnUnderTheConfigurationOfItsModel) {
  ModelManager manager(from_file());
  manager.load_model("tiny");
  const auto expected = manager.generate("tiny", "Hello", {.max_new_tokens = 6});
  openvino->at_step = [&](int64_t) {
    manager.replace_config("{default: openvino, openvino: {enable_fallback: false}}");
    throw InferenceError("broken");
  };
  EXPECT_EQ(manager.generate("tiny", "Hello", {.max_new_tokens = 6}), expected);
  EXPECT_EQ(manager.get_fallback_events().size(), 1u);
}

TEST_F(Reload, TheLogMayReloadToo) {
  ModelManager manager(from_file());
  int calls = 0;
  set_log_sink([&](LogLevel, std::string_view) {
    if (++calls == 1) manager.replace_config("{default: pytorch}");
  });
  manager.reload_config("absent.yaml");
  EXPECT_EQ(calls, 1);
}

TEST_F(Reload, RunsBesideGenerationsAndLoads) {
  ModelManager manager(from_file());
  manager.load_model("tiny");
  const auto expected = manager.generate("tiny", "Hello", {.max_new_tokens = 4});
  std::atomic<bool> done = false;
  std::jthread reloads([&] {
    for (int i = 0; !done; ++i)
      manager.replace_config(i % 2 ? "{default: openvino}" : "{default: pytorch}");
  });
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) {
          manager.load_model("tiny");
          wrong += manager.generate("tiny", "Hello", {.max_new_tokens = 4}) != expected;
        }
      });
  }
  done = true;
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace mm_orch::manager
