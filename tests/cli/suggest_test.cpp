#include "suggest.h"

#include <gtest/gtest.h>

namespace mm_orch::cli {
namespace {

TEST(EditDistance, CountsEachKindOfSlip) {
  EXPECT_EQ(edit_distance("run", "run"), 0U);
  EXPECT_EQ(edit_distance("run", "rum"), 1U);
  EXPECT_EQ(edit_distance("run", "rn"), 1U);
  EXPECT_EQ(edit_distance("run", "runs"), 1U);
  EXPECT_EQ(edit_distance("run", "rnu"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Nearest, PrefersTheClosestAndRefusesTheFar) {
  const std::vector<std::string> known = {"run", "chat", "export", "compare", "list"};
  EXPECT_EQ(nearest("exprot", known), "export");
  EXPECT_EQ(nearest("lsit", known), "list");
  EXPECT_EQ(nearest("frobnicate", known), "");
  EXPECT_EQ(nearest("x", {}), "");
}

}  // namespace
}  // namespace mm_orch::cli
