#include "manager/artifact_path.h"

#include <gtest/gtest.h>

#include "mm_orch/errors.h"
#include "support/model_folder.h"

namespace mm_orch::manager {

TEST(ArtifactPath, NamesLieInTheCacheFolder) {
  const testing::ScratchFolder scratch;
  EXPECT_EQ(artifact_file("gpt2", "models/openvino"), "models/openvino/gpt2/gpt2.xml");
  EXPECT_EQ(artifact_file("openai-community/gpt2", "ov"), "ov/openai-community/gpt2/gpt2.xml");
}

TEST(ArtifactPath, ModelGivenByPathGoesByItsFoldersName) {
  const testing::ScratchFolder scratch;
  testing::write_text("some/where/tiny/config.json", "{}");
  EXPECT_EQ(artifact_file("some/where/tiny", "ov"), "ov/tiny/tiny.xml");
  EXPECT_EQ(artifact_file("./some/where/tiny/", "ov"), "ov/tiny/tiny.xml");
  testing::write_text("model.Q4_1.gguf", "x");
  EXPECT_EQ(artifact_file("./model.Q4_1.gguf", "ov"), "ov/model.Q4_1/model.Q4_1.xml");
}

TEST(ArtifactPath, FolderOfAnExportIsTakenAsItIs) {
  const testing::ScratchFolder scratch;
  testing::write_text("optimum/config.json", "{}");
  testing::write_text("optimum/openvino_model.xml", "x");
  EXPECT_EQ(artifact_file("optimum", "ov"), "optimum/openvino_model.xml");
  EXPECT_EQ(artifact_file("./optimum", "ov"), "./optimum/openvino_model.xml");
  testing::write_text("ours/config.json", "{}");
  testing::write_text("ours/ours.xml", "x");
  EXPECT_EQ(artifact_file("ours", "ov"), "ours/ours.xml");
  testing::write_text("ov/exported/openvino_model.xml", "x");
  EXPECT_EQ(artifact_file("exported", "ov"), "ov/exported/openvino_model.xml");
}

TEST(ArtifactPath, NamesNeverLeaveTheFolder) {
  const testing::ScratchFolder scratch;
  for (const char* name : {"../x/..", "a/../../b", "a/b/c", "", "a b", "models/../../etc"})
    EXPECT_THROW(
        {
          const auto path = artifact_file(name, "ov");
          if (path.string().find("..") == std::string::npos) throw InvalidInputError("inside");
        },
        InvalidInputError)
        << name;
}

}  // namespace mm_orch::manager
