#include "base/mapped_file.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "support/model_folder.h"

namespace mm_orch::testing {
namespace {

constexpr size_t kSize = 4 << 20;

// Bytes of the map at `address` that this process has in memory.
size_t resident_bytes(const void* address) {
  std::ifstream maps("/proc/self/smaps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0, kilobytes = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2)
      found = begin == reinterpret_cast<unsigned long>(address);
    else if (found && std::sscanf(line.c_str(), "Rss: %lu kB", &kilobytes) == 1)
      return kilobytes << 10;
  }
  return 0;
}

size_t count_of(std::span<const std::byte> bytes, std::byte value) {
  return static_cast<size_t>(std::count(bytes.begin(), bytes.end(), value));
}

TEST(MappedFile, ReleasedPagesAreReadAgainWhenNeeded) {
  const ScratchFolder scratch;
  write_text("file", std::string(kSize, 'x'));
  const auto file = MappedFile::open("file");
  const auto bytes = file->bytes();
  ASSERT_EQ(count_of(bytes, std::byte{'x'}), kSize);
  ASSERT_GE(resident_bytes(bytes.data()), kSize);
  MappedFile::release(bytes.subspan(100, kSize / 2));
  EXPECT_LE(resident_bytes(bytes.data()), kSize / 2 + (64 << 10));
  EXPECT_EQ(count_of(bytes, std::byte{'x'}), kSize);
  EXPECT_GE(resident_bytes(bytes.data()), kSize);
}

TEST(MappedFile, OtherMemoryIsNotReleased) {
  const ScratchFolder scratch;
  write_text("file", std::string(kSize, 'x'));
  std::vector<std::byte> own(kSize, std::byte{'y'});
  MappedFile::release(own);  // with no file mapped
  const auto file = MappedFile::open("file");
  MappedFile::release(own);
  EXPECT_EQ(count_of(own, std::byte{'y'}), kSize);
}

}  // namespace
}  // namespace mm_orch::testing
