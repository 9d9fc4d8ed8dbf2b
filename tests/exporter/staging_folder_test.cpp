// What an interruption leaves behind: the process is ended at each point of an export.
#include "exporter/staging_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "exporter/exporter.h"
#include "mm_orch/errors.h"
#include "support/model_folder.h"

namespace mm_orch::exporter {
namespace {

namespace fs = std::filesystem;
using testing::read_text;
using testing::write_text;

const std::set<std::string> kOwned{"m.xml", "m.bin", "config.json"};

class Staging : public ::testing::Test {
 protected:
  static void fill(const StagingFolder& staging, const std::string& content) {
    write_text(staging.path() / "m.xml", content);
    write_text(staging.path() / "m.bin", content);
  }
  static void publish(const std::string& content) {
    StagingFolder staging("out/m");
    fill(staging, content);
    staging.publish(kOwned);
  }
  static size_t entries_in(const fs::path& folder) {
    return static_cast<size_t>(
        std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
  }
  // Ends without any destructor, as a crash would.
  static void in_dying_process(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      work();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
  testing::ScratchFolder scratch;
};

TEST_F(Staging, PublishesANewFolderAndReplacesAnOldOne) {
  publish("one");
  EXPECT_EQ(read_text("out/m/m.bin"), "one");
  write_text("out/m/config.json", "stale");
  publish("two");
  EXPECT_EQ(read_text("out/m/m.xml"), "two");
  EXPECT_FALSE(fs::exists("out/m/config.json"));  // of the old export
  EXPECT_EQ(entries_in("out"), 1u);
}

TEST_F(Staging, ForeignFilesStay) {
  publish("one");
  write_text("out/m/notes.txt", "mine");
  write_text("out/m/deep/er/file", "mine too");
  fs::create_symlink("notes.txt", "out/m/link");
  publish("two");
  EXPECT_EQ(read_text("out/m/m.bin"), "two");
  EXPECT_EQ(read_text("out/m/notes.txt"), "mine");
  EXPECT_EQ(read_text("out/m/deep/er/file"), "mine too");
  EXPECT_TRUE(fs::is_symlink("out/m/link"));
}

TEST_F(Staging, AFailureLeavesNothing) {
  try {
    StagingFolder staging("a/b/m");
    fill(staging, "half");
    throw BackendError("disk full");
  } catch (const BackendError&) {
  }
  EXPECT_FALSE(fs::exists("a"));
  publish("one");
  { StagingFolder staging("out/m"); }
  EXPECT_EQ(read_text("out/m/m.bin"), "one");
  EXPECT_EQ(entries_in("out"), 1u);
}

TEST_F(Staging, ACrashBeforeThePublicationLeavesTheOldStateAndIsCleanedLater) {
  publish("one");
  in_dying_process([] {
    StagingFolder staging("out/m");
    fill(staging, "half");
    ::_exit(0);
  });
  EXPECT_EQ(read_text("out/m/m.bin"), "one");
  EXPECT_EQ(entries_in("out"), 2u);
  publish("two");
  EXPECT_EQ(read_text("out/m/m.bin"), "two");
  EXPECT_EQ(entries_in("out"), 1u);
}

TEST_F(Staging, ACrashAfterThePublicationLeavesTheNewState) {
  publish("one");
  write_text("out/m/notes.txt", "mine");
  in_dying_process([] {
    auto* staging = new StagingFolder("out/m");
    fill(*staging, "two");
    staging->publish(kOwned);
  });
  EXPECT_EQ(read_text("out/m/m.bin"), "two");
  EXPECT_EQ(read_text("out/m/notes.txt"), "mine");
  publish("three");
  EXPECT_EQ(read_text("out/m/notes.txt"), "mine");
  EXPECT_EQ(entries_in("out"), 1u);
}

TEST_F(Staging, AnExportUnderWayIsNotCleaned) {
  StagingFolder first("out/m");
  fill(first, "one");
  publish("two");
  ASSERT_TRUE(fs::exists(first.path()));
  first.publish(kOwned);
  EXPECT_EQ(read_text("out/m/m.bin"), "one");
}

TEST_F(Staging, AnExchangeInTwoStepsIsUndoneOrCompleted) {
  write_text("out/.m.old-abcdef/m.bin", "old");
  recover_folder("out/m");
  EXPECT_EQ(read_text("out/m/m.bin"), "old");
  write_text("out/.m.old-abcdef/m.bin", "older");
  recover_folder("out/m");
  EXPECT_EQ(read_text("out/m/m.bin"), "old");
  EXPECT_EQ(entries_in("out"), 1u);
}

TEST_F(Staging, RefusesFoldersThatCannotBeReplaced) {
  for (const char* target : {".", "..", "/", "", "sub/.."})
    EXPECT_THROW(StagingFolder{target}, InvalidInputError) << target;
  write_text("file", "x");
  EXPECT_THROW(StagingFolder{"file"}, InvalidInputError);
}

TEST_F(Staging, ASymlinkedTargetIsReplacedWhereItPoints) {
  fs::create_directories("elsewhere/real");
  fs::create_directory_symlink("elsewhere/real", "link");
  StagingFolder staging("link");
  fill(staging, "new");
  staging.publish(kOwned);
  EXPECT_TRUE(fs::is_symlink("link"));
  EXPECT_EQ(read_text("elsewhere/real/m.bin"), "new");
}

}  // namespace
}  // namespace mm_orch::exporter
