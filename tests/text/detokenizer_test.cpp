#include "text/detokenizer.h"

#include <gtest/gtest.h>

#include "text/vocabularies.h"

namespace mm_orch::text {
namespace {

using Ids = std::vector<int64_t>;
using Pieces = std::vector<std::string>;

Pieces stream(const nlohmann::json& metadata, const Ids& context, const Ids& ids) {
  Detokenizer detokenizer(testing::load(metadata), context);
  Pieces pieces;
  for (const int64_t id : ids) pieces.push_back(detokenizer.push(id));
  pieces.push_back(detokenizer.flush());
  return pieces;
}

Ids bytes_of(std::string_view text, int64_t first_id) {
  Ids ids;
  for (const char c : text) ids.push_back(first_id + static_cast<unsigned char>(c));
  return ids;
}

TEST(Detokenizer, HoldsBackUnfinishedCharacters) {
  EXPECT_EQ(stream(testing::byte_level_gguf(), {}, bytes_of("a€", 0)),
            (Pieces{"a", "", "", "€", ""}));
}

TEST(Detokenizer, FlushEndsAnUnfinishedCharacter) {
  EXPECT_EQ(stream(testing::byte_level_gguf(), {}, bytes_of("a\xE2\x82", 0)),
            (Pieces{"a", "", "", "\uFFFD"}));
}

TEST(Detokenizer, GoesOnAfterTheContext) {
  EXPECT_EQ(stream(testing::byte_level_gguf(), bytes_of("x\uFFFD", 0), bytes_of("b", 0)),
            (Pieces{"b", ""}));
  EXPECT_EQ(stream(testing::byte_level_gguf(), {258}, {257}), (Pieces{" he", ""}));
}

TEST(Detokenizer, SpecialAndUnknownTokensHaveNoText) {
  EXPECT_EQ(stream(testing::byte_level_gguf(), {}, {'a', 258, 5000, -1, 'b'}),
            (Pieces{"a", "", "", "", "b", ""}));
}

TEST(Detokenizer, StripsTheFirstSpaceOnlyAtTheStart) {
  EXPECT_EQ(stream(testing::sentencepiece_gguf(), {}, {1, 260, 260}),
            (Pieces{"", "ab", " ab", ""}));
  EXPECT_EQ(stream(testing::sentencepiece_gguf(), {1, 260}, {260}), (Pieces{" ab", ""}));
  EXPECT_EQ(stream(testing::sentencepiece_gguf(), {}, {261, 261, 262}), (Pieces{"", " ", "a", ""}));
}

TEST(Detokenizer, HoldsARunOfByteTokensUntilItEnds) {
  Ids ids = bytes_of("é", 3);
  ids.push_back(262);
  EXPECT_EQ(stream(testing::sentencepiece_gguf(), {260}, ids), (Pieces{"", "", "éa", ""}));
}

TEST(Detokenizer, ABrokenRunOfByteTokensIsAllReplacements) {
  Ids ids = bytes_of("é\xFFz", 3);
  ids.push_back(262);
  EXPECT_EQ(stream(testing::sentencepiece_gguf(), {260}, ids),
            (Pieces{"", "", "\uFFFD\uFFFD\uFFFD", "\uFFFD", "a", ""}));
}

// Would take hours if a token's cost grew with the text.
TEST(Detokenizer, EndlessInvalidBytesCostNoMoreThanOthers) {
  const size_t count = 100'000;
  for (const auto& [metadata, id] : {std::pair(testing::byte_level_gguf(), int64_t{0xFF}),
                                     std::pair(testing::sentencepiece_gguf(), int64_t{3 + 0xFF}),
                                     std::pair(testing::sentencepiece_gguf(), int64_t{3 + 'a'})}) {
    size_t bytes = 0;
    for (const auto& piece : stream(metadata, {}, Ids(count, id))) bytes += piece.size();
    EXPECT_EQ(bytes, id == 3 + 'a' ? count : 3 * count);
  }
}

}  // namespace
}  // namespace mm_orch::text
