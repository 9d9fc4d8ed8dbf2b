#include "base/memory.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/temporary_folder.h"

namespace mm_orch {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMega = 1 << 20;

// A folder that looks like a machine with 1000 MB, 600 MB of which are available.
class MadeMachine : public ::testing::Test {
 protected:
  MadeMachine() {
    write("proc/meminfo", "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 614400 kB\n");
  }

  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((root() / file).parent_path());
    std::ofstream(root() / file) << text;
  }
  void group2(const std::string& path, const std::string& limit, uint64_t used, uint64_t cached) {
    const auto folder = "sys/fs/cgroup" / fs::path(path);
    write(folder / "memory.max", limit + "\n");
    write(folder / "memory.current", std::to_string(used));
    write(folder / "memory.stat",
          "anon 1\nfile 7\ninactive_file " + std::to_string(cached) + "\nactive_file 0\n");
  }
  uint64_t available_mb() const { return memory_state(root()).available_bytes / kMega; }
  fs::path root() const { return folder_.path(); }

 private:
  testing::TemporaryFolder folder_;
};

TEST_F(MadeMachine, WithoutGroupsTheMachineCounts) {
  EXPECT_EQ(available_mb(), 600u);
  EXPECT_EQ(memory_state(root()).total_bytes, 1000 * kMega);
}

TEST_F(MadeMachine, AGroupThatAllowsLessCounts) {
  write("proc/self/cgroup", "0::/job\n");
  group2("job", std::to_string(500 * kMega), 300 * kMega, 0);
  EXPECT_EQ(available_mb(), 200u);
  EXPECT_EQ(memory_state(root()).total_bytes, 500 * kMega);
}

TEST_F(MadeMachine, FilesThatAGroupCachesCanGo) {
  write("proc/self/cgroup", "0::/job\n");
  group2("job", std::to_string(500 * kMega), 300 * kMega, 250 * kMega);
  EXPECT_EQ(available_mb(), 450u);
}

TEST_F(MadeMachine, TheGroupsAboveCountToo) {
  write("proc/self/cgroup", "0::/job/step\n");
  group2("job", std::to_string(400 * kMega), 390 * kMega, 0);
  group2("job/step", "max", 10 * kMega, 0);
  EXPECT_EQ(available_mb(), 10u);
}

TEST_F(MadeMachine, InAContainerTheRootIsTheProcessesOwnGroup) {
  write("proc/self/cgroup", "0::/outside/of/sight\n");
  group2("", std::to_string(100 * kMega), 40 * kMega, 0);
  EXPECT_EQ(available_mb(), 60u);
}

TEST_F(MadeMachine, AGroupOverItsLimitHasNothing) {
  write("proc/self/cgroup", "0::/job\n");
  group2("job", std::to_string(100 * kMega), 140 * kMega, 0);
  EXPECT_EQ(available_mb(), 0u);
}

TEST_F(MadeMachine, GroupsOfVersion1) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory,x:/job\n0::/\n");
  write("sys/fs/cgroup/memory/job/memory.limit_in_bytes", std::to_string(300 * kMega));
  write("sys/fs/cgroup/memory/job/memory.usage_in_bytes", std::to_string(250 * kMega));
  write("sys/fs/cgroup/memory/job/memory.stat",
        "total_inactive_file " + std::to_string(20 * kMega) + "\ntotal_active_file " +
            std::to_string(30 * kMega));
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1");
  EXPECT_EQ(available_mb(), 100u);
}

TEST(Memory, ThisMachineHasSome) {
  const auto state = memory_state();
  EXPECT_GT(state.available_bytes, 0u);
  EXPECT_LE(state.available_bytes, state.total_bytes);
}

}  // namespace
}  // namespace mm_orch
