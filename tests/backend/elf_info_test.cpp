#include "backend/elf_info.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/model_folder.h"

namespace mm_orch::backend {

const std::string kNeedsSdk = TEST_PLUGIN_DIR "/needs_sdk/libmm_orch_openvino.so";

TEST(ElfInfo, ReadsNeededLibrariesAndRunPath) {
  const auto info = read_elf_info(kNeedsSdk);
  EXPECT_NE(std::ranges::find(info.needed, "libopenvino.so.9999"), info.needed.end());
  ASSERT_FALSE(info.runpath.empty());
  const auto two_up = std::filesystem::canonical(TEST_PLUGIN_DIR);
  EXPECT_EQ(info.runpath[0], two_up.parent_path() / "openvino/libs");
}

TEST(ElfInfo, EmptyForOtherFiles) {
  const testing::ScratchFolder scratch;
  EXPECT_TRUE(read_elf_info("absent.so").needed.empty());
  testing::write_text("text.so", "not a library");
  EXPECT_TRUE(read_elf_info("text.so").needed.empty());
}

TEST(ElfInfo, SurvivesTruncationAndBitFlips) {
  const testing::ScratchFolder scratch;
  const auto whole = testing::read_text(kNeedsSdk);
  for (size_t size = 1; size < 4096; size += 251) {
    testing::write_text("cut.so", whole.substr(0, size));
    read_elf_info("cut.so");
  }
  for (size_t bit = 0; bit < 8 * 1024; bit += 61) {
    auto flipped = whole.substr(0, 16384);
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    testing::write_text("flipped.so", flipped);
    read_elf_info("flipped.so");
  }
}

}  // namespace mm_orch::backend
