#include "backend/plugin.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "backend/sdk_version.h"
#include "support/model_folder.h"
#include "support/reference_backend.h"

namespace mm_orch::backend {
namespace {

namespace fs = std::filesystem;

// Each test is a process of its own (gtest_discover_tests), so what one loads no other sees.
void search_in(const std::string& folder) { ::setenv("MM_ORCH_PLUGIN_PATH", folder.c_str(), 1); }

std::string problem_with(const std::string& state) {
  search_in(TEST_PLUGIN_DIR "/" + state);
  try {
    get_backend("openvino");
  } catch (const BackendInitializationError& error) {
    EXPECT_EQ(error.context().backend, "openvino");
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return {};
}

void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const auto& part : parts) EXPECT_NE(text.find(part), std::string::npos) << part << text;
  EXPECT_TRUE(text.starts_with("OpenVINO backend not available")) << text;
}

TEST(Plugin, LoadsOnceFromThePath) {
  search_in(TEST_PLUGIN_DIR "/absent::" TEST_PLUGIN_DIR "/good");
  auto& first = get_backend("openvino");
  EXPECT_EQ(first.name(), "openvino");
  Backend* second = nullptr;
  std::thread([&] { second = &get_backend("openvino"); }).join();
  EXPECT_EQ(&first, second);
}

TEST(Plugin, MissingNamesTheFoldersAndTheCommand) {
  if (HAS_OPENVINO_PLUGIN) GTEST_SKIP() << "the real plug-in lies beside the library";
  expect_parts(problem_with("absent"),
               {"libmm_orch_openvino.so is not in ", "plugins/absent", "pip install openvino=="});
}

TEST(Plugin, OtherApiVersion) {
  expect_parts(problem_with("other_api"), {"API version", "Install mm_orch again"});
}

TEST(Plugin, NoEntry) { expect_parts(problem_with("no_entry"), {"mm_orch_create_backend"}); }

TEST(Plugin, FailureToStartKeepsItsReason) {
  expect_parts(problem_with("throwing"), {"failed to start", "no device plug-ins found"});
}

TEST(Plugin, MissingSdkNamesTheLibrary) {
  expect_parts(problem_with("needs_sdk"),
               {"libopenvino.so.9999", "no openvino is installed", "pip install openvino=="});
}

// An installation of its own: mm_orch/lib/<plug-in>, openvino/libs beside it.
class InstalledPlugin : public ::testing::Test {
 protected:
  void install_sdk(const std::string& version) {
    fs::create_directories("site/openvino/libs");
    fs::create_directories("site/openvino-" + version + ".dist-info");
    fs::create_directories("site/mm_orch/lib");
    fs::copy(TEST_PLUGIN_DIR "/needs_sdk/libmm_orch_openvino.so", "site/mm_orch/lib");
    search_in((scratch_.path() / "site/mm_orch/lib").string());
  }
  std::string problem() {
    try {
      get_backend("openvino");
    } catch (const BackendInitializationError& error) {
      return error.what();
    }
    return {};
  }
  testing::ScratchFolder scratch_;
};

TEST_F(InstalledPlugin, OtherSdkVersionNamesBoth) {
  install_sdk("2024.6.0");
  const auto built = built_sdk_version("openvino");
  expect_parts(problem(), {"built for openvino " + built, "openvino 2024.6.0 is installed in",
                           "site/openvino", "pip install openvino==" + built});
}

TEST_F(InstalledPlugin, SameReleaseIsLoaded) {
  install_sdk(built_sdk_version("openvino"));
  fs::copy(TEST_PLUGIN_DIR "/sdk/libopenvino.so.9999", "site/openvino/libs");
  EXPECT_EQ(problem(), "");
  EXPECT_EQ(get_backend("openvino").name(), "openvino");
}

TEST_F(InstalledPlugin, AFailureIsNotKept) {
  install_sdk(built_sdk_version("openvino"));
  EXPECT_NE(problem(), "");
  fs::copy(TEST_PLUGIN_DIR "/sdk/libopenvino.so.9999", "site/openvino/libs");
  EXPECT_EQ(problem(), "");
}

TEST(SdkVersion, ComparesMajorAndMinor) {
  EXPECT_TRUE(same_release("2.15.0", "2.15.1+cpu"));
  EXPECT_TRUE(same_release("2026.4.1", "2026.4.0"));
  EXPECT_FALSE(same_release("2.15.0", "2.1.5"));
  EXPECT_FALSE(same_release("2026.4.1", "2024.6.0"));
}

TEST(Plugin, UnknownNameIsRefused) { EXPECT_THROW(get_backend("tensorflow"), InvalidInputError); }

TEST(Plugin, RegistrationReplacesAndKeepsTheOldAlive) {
  register_backend(testing::make_reference_backend("openvino"));
  auto& old = get_backend("openvino");
  register_backend(testing::make_reference_backend("openvino"));
  EXPECT_NE(&old, &get_backend("openvino"));
  EXPECT_EQ(old.name(), "openvino");
}

TEST(Plugin, StatusTellsBoth) {
  search_in(TEST_PLUGIN_DIR "/no_entry");
  const auto statuses = plugin_status();
  ASSERT_EQ(statuses.size(), 2u);
  EXPECT_EQ(statuses[0].name, "pytorch");
  EXPECT_EQ(statuses[0].available, HAS_TORCH_PLUGIN) << statuses[0].problem;
  EXPECT_FALSE(statuses[1].available);
  EXPECT_FALSE(statuses[1].path.empty());
  EXPECT_NE(statuses[1].problem.find("no plug-in of mm_orch"), std::string::npos);
}

TEST(Plugin, RealOnesLoad) {
  if (!HAS_TORCH_PLUGIN && !HAS_OPENVINO_PLUGIN) GTEST_SKIP() << "no SDK in this build";
  for (const auto& status : plugin_status()) {
    if (status.name == "pytorch" ? !HAS_TORCH_PLUGIN : !HAS_OPENVINO_PLUGIN) continue;
    EXPECT_TRUE(status.available) << status.problem;
    const auto built = built_sdk_version(status.name == "pytorch" ? "torch" : "openvino");
    EXPECT_TRUE(same_release(built, status.sdk_version)) << status.sdk_version;
  }
}

}  // namespace
}  // namespace mm_orch::backend
