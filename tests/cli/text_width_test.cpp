#include "text_width.h"

#include <gtest/gtest.h>

#include <limits>

namespace mm_orch::cli {
namespace {

TEST(TextWidth, CountsCharactersAndNeverCutsOne) {
  EXPECT_EQ(text_width("héllo"), 5U);
  EXPECT_EQ(truncate_to_width("héllo", 2), "hé");
  EXPECT_EQ(truncate_to_width("日本語", 1), "日");
  EXPECT_EQ(truncate_to_width("ab", 5), "ab");
  EXPECT_EQ(truncate_to_width("ab", 0), "");
}

TEST(FormatTable, AlignsUtf8AndDropsTrailingSpaces) {
  EXPECT_EQ(format_table({{"name"}, {"size", Align::kRight}, {"path"}},
                         {{"é", "1 B", "x"}, {"abcde", "12 kB", ""}}),
            "name    size  path\n"
            "-----  -----  ----\n"
            "é        1 B  x\n"
            "abcde  12 kB\n");
}

TEST(FormatBytes, KeepsThreeDigits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(999), "999 B");
  EXPECT_EQ(format_bytes(1000), "1.00 kB");
  EXPECT_EQ(format_bytes(98'640'000), "98.6 MB");
  EXPECT_EQ(format_bytes(999'600'000), "1.00 GB");
}

TEST(FormatFigure, HasNoExponent) {
  EXPECT_EQ(format_figure(0), "0");
  EXPECT_EQ(format_figure(0.01234), "0.0123");
  EXPECT_EQ(format_figure(1.234), "1.23");
  EXPECT_EQ(format_figure(123456), "123456");
  EXPECT_EQ(format_figure(std::numeric_limits<double>::quiet_NaN()), "-");
}

}  // namespace
}  // namespace mm_orch::cli
