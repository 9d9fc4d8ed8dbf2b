// Memory that counts where it was prepared.
#include "base/sparse_memory.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <string>

#include "mm_orch/errors.h"

namespace mm_orch {
namespace {

TEST(SparseMemory, IsWrittenWhereItWasPrepared) {
  SparseMemory memory(100 << 20);
  EXPECT_GE(memory.size(), 100u << 20);
  memory.prepare((50 << 20) - 1, 2);
  memory.data()[(50 << 20) - 1] = std::byte{1};
  memory.data()[50 << 20] = std::byte{2};
  memory.prepare(0, memory.size());
  EXPECT_EQ(memory.data()[50 << 20], std::byte{2});
  EXPECT_EQ(memory.data()[memory.size() - 1], std::byte{0});
  EXPECT_NO_THROW(SparseMemory(0).prepare(0, 0));
}

TEST(SparseBlocks, ACopyHasWhatTheBlockHolds) {
  SparseBlocks blocks(3, 5 << 20);
  const int32_t written[] = {2};
  blocks.prepare(written);
  blocks.block(2)[0] = std::byte{1};
  blocks.block(2)[(5 << 20) - 1] = std::byte{2};
  blocks.copy(2, 0);
  EXPECT_EQ(blocks.data()[0], std::byte{1});
  EXPECT_EQ(blocks.data()[(5 << 20) - 1], std::byte{2});
}

uint64_t data_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmData:" && status >> word) return std::stoull(word) << 10;
  return 0;
}

TEST(SparseMemory, CountsTowardsALimitOnlyWhereItWasPrepared) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "AddressSanitizer takes memory of its own under the limit";
#endif
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_DATA, &before), 0);
  const rlimit small{data_bytes() + (64 << 20), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &small), 0);
  {
    SparseMemory memory(1ULL << 30);
    EXPECT_NO_THROW(memory.prepare(0, 16 << 20));
    EXPECT_THROW(memory.prepare(0, 1ULL << 30), OutOfMemoryError);
  }
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &before), 0);
}

}  // namespace
}  // namespace mm_orch
