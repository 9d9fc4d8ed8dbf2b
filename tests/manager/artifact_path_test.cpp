#include "manager/artifact_path.h"

#include <gtest/gtest.h>

#include "mm_orch/errors.h"
#include "support/model_folder.h"

namespace mm_orch::manager {
namespace {

std::filesystem::path file_of(const std::string& name, const std::string& cache_dir) {
  return artifact_file(ModelNames().resolve(name), cache_dir);
}

TEST(ArtifactPath, NamesLieInTheCacheFolder) {
  const testing::ScratchFolder scratch;
  EXPECT_EQ(file_of("gpt2", "models/openvino"), "models/openvino/gpt2/gpt2.xml");
  EXPECT_EQ(file_of("openai-community/gpt2", "ov"), "ov/openai-community/gpt2/gpt2.xml");
}

TEST(ArtifactPath, ModelGivenByPathGoesByItsFoldersName) {
  const testing::ScratchFolder scratch;
  testing::write_text("some/where/tiny/config.json", "{}");
  EXPECT_EQ(file_of("some/where/tiny", "ov"), "ov/tiny/tiny.xml");
  EXPECT_EQ(file_of("./some/where/tiny/", "ov"), "ov/tiny/tiny.xml");
  testing::write_text("model.Q4_1.gguf", "x");
  EXPECT_EQ(file_of("./model.Q4_1.gguf", "ov"), "ov/model.Q4_1/model.Q4_1.xml");
}

TEST(ArtifactPath, FolderOfAnExportIsTakenAsItIs) {
  const testing::ScratchFolder scratch;
  testing::write_text("optimum/config.json", "{}");
  testing::write_text("optimum/openvino_model.xml", "x");
  EXPECT_EQ(file_of("optimum", "ov"), "optimum/openvino_model.xml");
  EXPECT_EQ(file_of("./optimum", "ov"), "./optimum/openvino_model.xml");
  testing::write_text("ours/config.json", "{}");
  testing::write_text("ours/ours.xml", "x");
  EXPECT_EQ(file_of("ours", "ov"), "ours/ours.xml");
  testing::write_text("ov/exported/openvino_model.xml", "x");
  EXPECT_EQ(file_of("exported", "ov"), "ov/exported/openvino_model.xml");
}

TEST(ArtifactPath, NamesNeverLeaveTheFolder) {
  const testing::ScratchFolder scratch;
  for (const char* name : {"a/../../b", "a/b/c", "", "a b", "models/../../etc", "a/..", "..a",
                           "a\\b", "a/./b", "a//b", "a\nb", "openvino:x"})
    EXPECT_THROW(file_of(name, "ov"), InvalidInputError) << name;
  // A path may lead anywhere; its exports still lie under the cache folder.
  for (const char* path : {"../x/..", "/etc/..", "..", "/", "./../.."}) {
    const auto file = file_of(path, "ov").lexically_normal();
    EXPECT_TRUE(file.string().starts_with("ov/")) << path << " " << file;
  }
}

TEST(ArtifactPath, ARegisteredNamesExportsLieUnderTheName) {
  const testing::ScratchFolder scratch;
  ModelNames names;
  testing::write_text("some/where/tiny/config.json", "{}");
  names.add("team/assistant", "some/where/tiny");
  const auto model = names.resolve("team/assistant");
  EXPECT_EQ(artifact_file(model, "ov"), "ov/team/assistant/assistant.xml");
  testing::write_text("some/where/tiny/tiny.xml", "x");
  EXPECT_EQ(artifact_file(model, "ov"), scratch.path() / "some/where/tiny/tiny.xml");
  names.add("file", "some/where/tiny/tiny.xml");
  EXPECT_EQ(artifact_file(names.resolve("file"), "ov"),
            scratch.path() / "some/where/tiny/tiny.xml");
}

}  // namespace
}  // namespace mm_orch::manager
