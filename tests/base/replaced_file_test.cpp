#include "base/replaced_file.h"

#include <gtest/gtest.h>

#include <iterator>

#include "mm_orch/errors.h"
#include "support/model_folder.h"

namespace mm_orch {
namespace {

namespace fs = std::filesystem;

int files() {
  return static_cast<int>(std::distance(fs::directory_iterator("."), fs::directory_iterator()));
}

TEST(ReplacedFile, TakesTheOldOnesPlaceWhenItIsWhole) {
  const testing::ScratchFolder scratch;
  testing::write_text("a", "old");
  ReplacedFile file("a");
  file.stream() << "new";
  EXPECT_EQ(testing::read_text("a"), "old");
  file.commit();
  EXPECT_EQ(testing::read_text("a"), "new");
  EXPECT_EQ(files(), 1);
}

TEST(ReplacedFile, LeavesNothingIfItIsGivenUp) {
  const testing::ScratchFolder scratch;
  testing::write_text("a", "old");
  { ReplacedFile("a").stream() << "new"; }
  EXPECT_EQ(testing::read_text("a"), "old");
  EXPECT_EQ(files(), 1);
}

TEST(ReplacedFile, OneAtATimeWrites) {
  const testing::ScratchFolder scratch;
  ReplacedFile first("a");
  first.stream() << "first";
  EXPECT_THROW(ReplacedFile("a"), BackendError);
  first.commit();
  EXPECT_EQ(testing::read_text("a"), "first");
  ReplacedFile("a").commit();
  EXPECT_EQ(testing::read_text("a"), "");
}

TEST(ReplacedFile, WritesOverWhatAKilledProcessLeft) {
  const testing::ScratchFolder scratch;
  testing::write_text(".a.tmp", "much longer than the new one");
  ReplacedFile file("a");
  file.stream() << "new";
  file.commit();
  EXPECT_EQ(testing::read_text("a"), "new");
  EXPECT_EQ(files(), 1);
}

template <class Work>
std::string message_of(Work&& work) {
  try {
    work();
  } catch (const BackendError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ReplacedFile, SaysWhyItCannotBeWritten) {
  const testing::ScratchFolder scratch;
  EXPECT_EQ(message_of([] { ReplacedFile("missing/a"); }),
            "Cannot write missing/a: No such file or directory");
  fs::create_directory("a");
  EXPECT_EQ(message_of([] { ReplacedFile("a").commit(); }), "Cannot write a: Is a directory");
  fs::create_symlink("/dev/full", ".b.tmp");
  EXPECT_EQ(message_of([] {
              ReplacedFile file("b");
              file.stream() << "text";
              file.commit();
            }),
            "Cannot write b: not all was taken; the disk may be full");
  EXPECT_FALSE(fs::exists("b"));
}

}  // namespace
}  // namespace mm_orch
