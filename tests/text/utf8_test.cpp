#include "text/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace mm_orch::text {
namespace {

TEST(Utf8, AcceptsWholeTextAndNul) {
  EXPECT_EQ(first_invalid_utf8(std::string_view("a\0é€😀", 11)), std::nullopt);
  EXPECT_EQ(first_invalid_utf8(""), std::nullopt);
}

TEST(Utf8, NamesTheFirstBadByte) {
  EXPECT_EQ(first_invalid_utf8("ab\xFFzz"), 2u);
  EXPECT_EQ(first_invalid_utf8("é\x80"), 2u);             // a stray continuation
  EXPECT_EQ(first_invalid_utf8("a\xC0\xAF"), 1u);         // overlong
  EXPECT_EQ(first_invalid_utf8("a\xED\xA0\x80"), 1u);     // a surrogate
  EXPECT_EQ(first_invalid_utf8("\xF4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(first_invalid_utf8("ab\xE2\x82"), 2u);        // cut off
}

TEST(Utf8, TellsUnfinishedFromInvalid) {
  size_t length = 0;
  EXPECT_EQ(utf8_start("\xF0\x9F\x98", &length), Utf8Start::kIncomplete);
  EXPECT_EQ(utf8_start("\xF0\x80", &length), Utf8Start::kInvalid);
  EXPECT_EQ(utf8_start("\xF0\x9F\x98\x80z", &length), Utf8Start::kCharacter);
  EXPECT_EQ(length, 4u);
}

}  // namespace
}  // namespace mm_orch::text
