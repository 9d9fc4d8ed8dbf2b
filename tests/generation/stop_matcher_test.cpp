#include "generation/stop_matcher.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "mm_orch/errors.h"

namespace mm_orch::generation {
namespace {

struct Outcome {
  std::vector<std::string> pieces;
  bool matched = false;

  std::string text() const {
    std::string text;
    for (const std::string& piece : pieces) text += piece;
    return text;
  }
};

Outcome feed(const StopStrings& strings, const std::vector<std::string>& pieces) {
  StopMatcher matcher(strings);
  Outcome outcome;
  for (const std::string& piece : pieces) outcome.pieces.push_back(matcher.push(piece));
  outcome.pieces.push_back(matcher.flush());
  outcome.matched = matcher.matched();
  return outcome;
}

TEST(StopMatcher, PassesTextThroughWithoutStopStrings) {
  EXPECT_EQ(feed(StopStrings({}), {"ab", "c"}).pieces, (std::vector<std::string>{"ab", "c", ""}));
}

TEST(StopMatcher, EndsBeforeAStopStringThatStraddlesPieces) {
  const Outcome outcome = feed(StopStrings({"###"}), {"one #", "#", "# two"});
  EXPECT_TRUE(outcome.matched);
  EXPECT_EQ(outcome.pieces, (std::vector<std::string>{"one ", "", "", ""}));
}

TEST(StopMatcher, HoldsBackOnlyWhatCouldBecomeAStopString) {
  const Outcome outcome = feed(StopStrings({"aab"}), {"xa", "a", "a", "c"});
  EXPECT_FALSE(outcome.matched);
  EXPECT_EQ(outcome.pieces, (std::vector<std::string>{"x", "", "a", "aac", ""}));
}

TEST(StopMatcher, ReturnsHeldTextWhenNothingFollows) {
  EXPECT_EQ(feed(StopStrings({"END"}), {"the EN"}).text(), "the EN");
}

TEST(StopMatcher, StopsAtTheStringThatEndsFirstHoweverTheTextIsCut) {
  const StopStrings strings({"abcd", "bc"});
  EXPECT_EQ(feed(strings, {"xabcd"}).text(), "xa");
  EXPECT_EQ(feed(strings, {"x", "a", "b", "c", "d"}).text(), "xa");
}

TEST(StopMatcher, TakesTheLongestOfThoseThatEndTogether) {
  EXPECT_EQ(feed(StopStrings({"c", "abc", "bc"}), {"xa", "bc"}).text(), "x");
}

TEST(StopMatcher, RefusesStringsThatCannotBeMeant) {
  EXPECT_THROW(StopStrings({"a", ""}), InvalidInputError);
  for (const char* bad : {"\x80", "a\xc3", "\xe2\x82", "\xff", "\xc3(", "\xf0\x9f\x98"}) {
    EXPECT_THROW(StopStrings({bad}), InvalidInputError) << bad;
  }
  EXPECT_NO_THROW(StopStrings({"é€😀"}));
}

// Against the definition: the first position at which some stop string ends.
TEST(StopMatcher, AgreesWithTheDefinitionOnRandomTexts) {
  std::mt19937 engine(7);
  const auto word = [&](size_t longest) {
    std::string text;
    for (size_t n = 1 + engine() % longest; n > 0; --n) text += "ab"[engine() % 2];
    return text;
  };
  int matches = 0;
  for (int round = 0; round < 5000; ++round) {
    std::vector<std::string> strings;
    for (size_t n = 1 + engine() % 4; n > 0; --n) strings.push_back(word(6));
    std::vector<std::string> pieces;
    std::string text;
    for (size_t n = 1 + engine() % 8; n > 0; --n) text += pieces.emplace_back(word(4));

    std::string expected = text;
    size_t first_end = std::string::npos;
    for (const std::string& string : strings) {
      const size_t start = text.find(string);
      if (start == std::string::npos) continue;
      const size_t end = start + string.size();
      if (end < first_end || (end == first_end && start < expected.size())) {
        first_end = end;
        expected = text.substr(0, start);
      }
    }
    const StopStrings stop_strings(strings);
    const Outcome outcome = feed(stop_strings, pieces);
    ASSERT_EQ(outcome.text(), expected) << text;
    ASSERT_EQ(outcome.matched, first_end != std::string::npos);
    matches += outcome.matched;
  }
  EXPECT_GT(matches, 500);
  EXPECT_LT(matches, 4900);
}

}  // namespace
}  // namespace mm_orch::generation
