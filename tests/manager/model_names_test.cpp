#include "manager/model_names.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "manager/manager_fixture.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

TEST_F(ManagerTest, ARegisteredNameWorksWhereverANameDoes) {
  fs::rename("models/tiny", "elsewhere");
  ModelManager manager(with_config("{model_overrides: {assistant: openvino}}"));
  EXPECT_THROW(manager.load_model("assistant"), ModelNotFoundError);
  manager.register_model("assistant", "elsewhere");
  const auto exported = manager.export_model("assistant");
  EXPECT_EQ(exported.xml_path, "models/openvino/assistant/assistant.xml");
  manager.load_model("assistant");
  EXPECT_EQ(manager.get_model_info("assistant").backend, "openvino");
  const auto text = manager.generate("assistant", "Hello", {.max_new_tokens = 4});
  manager.load_model("assistant", "transformers", {.backend_override = "pytorch"});
  EXPECT_EQ(manager.get_model_info("assistant").path, (scratch.path() / "elsewhere").string());
  EXPECT_EQ(manager.generate("assistant", "Hello", {.max_new_tokens = 4}), text);
  EXPECT_TRUE(manager.get_fallback_events().empty());
  ModelManager other;
  EXPECT_THROW(other.load_model("assistant"), ModelNotFoundError);
}

TEST_F(ManagerTest, AnXmlFileServesUnderARegisteredName) {
  ModelManager manager(on("openvino"));
  const auto exported = manager.export_model("tiny");
  manager.load_model("tiny");
  const auto expected = manager.generate("tiny", "Hello", {.max_new_tokens = 4});
  fs::remove_all("models/tiny");
  manager.register_model("alone", exported.xml_path);
  manager.load_model("alone");
  EXPECT_EQ(manager.get_model_info("alone").backend, "openvino");
  EXPECT_EQ(manager.generate("alone", "Hello", {.max_new_tokens = 4}), expected);
  EXPECT_THROW(manager.load_model("alone", "transformers", {.backend_override = "pytorch"}),
               MuAIError);
}

TEST_F(ManagerTest, AFailureMovesARegisteredModelToPyTorch) {
  fs::rename("models/tiny", "elsewhere");
  ModelManager manager(on("openvino"));
  manager.register_model("assistant", "elsewhere");
  const auto missing = [&] {
    manager.load_model("assistant");
    return manager.get_fallback_events().at(0).message;
  }();
  EXPECT_NE(missing.find("export_model(\"assistant\")"), std::string::npos) << missing;
  manager.export_model("assistant");
  manager.unload_all();
  manager.load_model("assistant");
  const auto expected = manager.generate("assistant", "Hello", {.max_new_tokens = 4});
  openvino->at_step = [](int64_t) { throw InferenceError("broken"); };
  EXPECT_EQ(manager.generate("assistant", "Hello", {.max_new_tokens = 4}), expected);
}

TEST_F(ManagerTest, RegisteringAgainMovesTheNameAtTheNextLoad) {
  testing::write_tiny_gpt2("models/second", 2);
  ModelManager manager;
  manager.register_model("assistant", "models/tiny");
  manager.load_model("assistant");
  const auto first = manager.generate("assistant", "Hello", {.max_new_tokens = 8});
  manager.register_model("assistant", "models/second");
  EXPECT_EQ(manager.generate("assistant", "Hello", {.max_new_tokens = 8}), first);
  manager.load_model("assistant");
  manager.load_model("second");
  EXPECT_EQ(manager.generate("assistant", "Hello", {.max_new_tokens = 8}),
            manager.generate("second", "Hello", {.max_new_tokens = 8}));
}

TEST_F(ManagerTest, ARegisteredNameWinsOverAFolderOfThatName) {
  testing::write_tiny_gpt2("assistant", 2);
  ModelManager manager;
  manager.register_model("assistant", "models/tiny");
  manager.load_model("assistant");
  EXPECT_EQ(manager.get_model_info("assistant").path, (scratch.path() / "models/tiny").string());
}

TEST_F(ManagerTest, RegisteringRefusesWhatIsNoNameOrNoModel) {
  ModelManager manager;
  for (const char* name : {"", ".", "..", "a b", "../a", "/a", "a/../b", "a/b/c", "~a", "a\nb"})
    EXPECT_THROW(manager.register_model(name, "models/tiny"), InvalidInputError) << name;
  EXPECT_THROW(manager.register_model("a", "absent"), ModelNotFoundError);
  EXPECT_THROW(manager.register_model("a", "models/absent.gguf"), ModelNotFoundError);
  EXPECT_THROW(manager.register_model("a", ""), ModelNotFoundError);
  testing::write_text("notes.txt", "x");
  fs::create_directories("empty");
  EXPECT_NE(error_of([&] { manager.register_model("a", "notes.txt"); }).find("holds no model"),
            std::string::npos);
  EXPECT_THROW(manager.register_model("a", "empty"), ModelNotFoundError);
  EXPECT_THROW(manager.load_model("a"), ModelNotFoundError);
}

TEST(ModelNames, RelativePathsAreThoseOfTheMoment) {
  const testing::ScratchFolder scratch;
  testing::write_text("m/config.json", "{}");
  fs::create_directories("below");
  ModelNames names;
  fs::current_path("below");
  names.add("a", "../m");
  fs::current_path("..");
  EXPECT_EQ(names.resolve("a").location, (scratch.path() / "m").string());
}

}  // namespace
}  // namespace mm_orch::manager
