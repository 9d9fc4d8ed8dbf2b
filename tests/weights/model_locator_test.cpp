#include "weights/model_locator.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "mm_orch/errors.h"
#include "support/temporary_folder.h"

namespace mm_orch::weights {
namespace {

namespace fs = std::filesystem;

// Each test has its own working folder and Hugging Face cache, and no downloader.
class ModelLocator : public ::testing::Test {
 protected:
  void SetUp() override {
    previous_ = fs::current_path();
    fs::current_path(folder_.path());
    for (const char* name : {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME",
                             "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"})
      unsetenv(name);
    setenv("HOME", folder_.path().c_str(), 1);
  }
  void TearDown() override {
    set_downloader({});
    fs::current_path(previous_);
  }

  void make_model(const fs::path& path) {
    fs::create_directories(path);
    std::ofstream(path / "config.json") << "{}";
    std::ofstream(path / "model.safetensors") << "x";
  }
  fs::path make_cached(const fs::path& hub, const std::string& folder) {
    const auto repository = hub / folder;
    make_model(repository / "snapshots" / "abc123");
    fs::create_directories(repository / "refs");
    std::ofstream(repository / "refs" / "main") << "abc123\n";
    return repository / "snapshots" / "abc123";
  }
  std::string not_found_message(const std::string& name) {
    try {
      locate_model(name);
    } catch (const ModelNotFoundError& error) {
      return error.what();
    }
    ADD_FAILURE() << name << " was found";
    return {};
  }

  testing::TemporaryFolder folder_;
  fs::path previous_;
};

TEST_F(ModelLocator, TellsPathsFromNames) {
  make_model("models/here");
  std::ofstream("some.gguf") << "x";
  for (const char* path : {"/a", "./a", "../a", "~", "~/a", "models/here", "some.gguf"})
    EXPECT_TRUE(is_path(path)) << path;
  for (const char* name : {"here", "gpt2", "other.gguf", "a/b"})
    EXPECT_FALSE(is_path(name)) << name;
}

TEST_F(ModelLocator, RefusesNamesThatCouldLeaveTheModelFolders) {
  for (const char* name : {"gpt2", "openai-community/gpt2", "a_b.c-1"})
    EXPECT_NO_THROW(check_name(name)) << name;
  for (const char* name : {"", "/", "a/", "/a", "a/b/c", "..", "a/..", "../a", "a..b", ".", "a b",
                           "a\\b", "a\nb", "caf\xc3\xa9", "a/."})
    EXPECT_THROW(check_name(name), InvalidInputError) << name;
}

TEST_F(ModelLocator, NamesExportsAfterFolderOrFile) {
  EXPECT_EQ(export_name("openai-community/gpt2"), "openai-community/gpt2");
  EXPECT_EQ(export_name("/some/where/model"), "model");
  EXPECT_EQ(export_name("./a/model/"), "model");
  EXPECT_EQ(export_name("/a/SmolLM2.Q4_1.gguf"), "SmolLM2.Q4_1");
  EXPECT_EQ(export_name("."), folder_.path().filename());
}

TEST_F(ModelLocator, PrefersModelsFolderToCache) {
  make_cached(folder_.path() / ".cache/huggingface/hub", "models--gpt2");
  make_model("models/gpt2");
  EXPECT_EQ(locate_model("gpt2"), fs::path("models/gpt2"));
}

TEST_F(ModelLocator, FindsOldAndCanonicalNamesInTheCache) {
  const auto hub = folder_.path() / ".cache/huggingface/hub";
  const auto snapshot = make_cached(hub, "models--openai-community--gpt2");
  EXPECT_EQ(locate_model("gpt2"), snapshot);
  EXPECT_EQ(locate_model("openai-community/gpt2"), snapshot);
  const auto distilled = make_cached(hub, "models--distilgpt2");
  EXPECT_EQ(locate_model("distilbert/distilgpt2"), distilled);
}

TEST_F(ModelLocator, FollowsTheEnvironmentOfHuggingFaceHub) {
  const auto home = make_cached(folder_.path() / "home/hub", "models--a--b");
  const auto cache = make_cached(folder_.path() / "cache", "models--a--b");
  setenv("HF_HOME", (folder_.path() / "home").c_str(), 1);
  EXPECT_EQ(locate_model("a/b"), home);
  setenv("HF_HUB_CACHE", "~/cache", 1);
  EXPECT_EQ(locate_model("a/b"), cache);
}

TEST_F(ModelLocator, NamesEveryPlaceItLookedAt) {
  const auto message = not_found_message("gpt2");
  for (const char* place :
       {"/models/gpt2", "/hub/models--gpt2", "models--openai-community--gpt2", "hf download gpt2"})
    EXPECT_NE(message.find(place), std::string::npos) << message;
}

TEST_F(ModelLocator, SaysThatASnapshotIsIncomplete) {
  const auto snapshot = make_cached(folder_.path() / ".cache/huggingface/hub", "models--m");
  fs::remove(snapshot / "model.safetensors");
  EXPECT_NE(not_found_message("m").find("incomplete"), std::string::npos);
}

TEST_F(ModelLocator, DownloadsWhatIsNowhereUnlessOffline) {
  std::string asked;
  set_downloader([&](const std::string& repository) {
    asked = repository;
    return fs::path("/downloaded");
  });
  EXPECT_EQ(locate_model("a/b"), fs::path("/downloaded"));
  EXPECT_EQ(asked, "a/b");
  asked.clear();
  setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_NE(not_found_message("a/b").find("HF_HUB_OFFLINE"), std::string::npos);
  EXPECT_TRUE(asked.empty());
}

TEST_F(ModelLocator, KeepsTheReasonOfAFailedDownload) {
  set_downloader(
      [](const std::string&) -> fs::path { throw ModelNotFoundError("401 Unauthorized"); });
  const auto message = not_found_message("a/b");
  EXPECT_NE(message.find("401 Unauthorized"), std::string::npos);
  EXPECT_NE(message.find("models--a--b"), std::string::npos);
}

TEST_F(ModelLocator, SaysThatAPathIsNotThere) {
  EXPECT_NE(not_found_message("./nothing").find("./nothing"), std::string::npos);
  EXPECT_THROW(locate_model("a b"), InvalidInputError);
}

}  // namespace
}  // namespace mm_orch::weights
