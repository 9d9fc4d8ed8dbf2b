#include "text/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include "mm_orch/errors.h"
#include "text/vocabularies.h"

namespace mm_orch::text {
namespace {

using nlohmann::json;
using Ids = std::vector<int64_t>;

const std::string kPrefix = "tokenizer.ggml.";

void expect_contradiction(const json& metadata, const std::string& expected) {
  try {
    testing::load(metadata);
    FAIL() << "loaded, where the error should say: " << expected;
  } catch (const FileValidationError& error) {
    EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
  }
}

TEST(GgufTokenizer, MergesByteLevelTokens) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  EXPECT_EQ(tokenizer->encode("he he"), (Ids{256, 257}));
}

TEST(GgufTokenizer, SentencePieceAddsBosAndALeadingSpace) {
  const auto tokenizer = testing::load(testing::sentencepiece_gguf());
  EXPECT_EQ(tokenizer->encode("ab"), (Ids{1, 260}));
  EXPECT_EQ(tokenizer->encode("ab", false), (Ids{260}));
  EXPECT_EQ(tokenizer->decode(Ids{1, 260, 260}), "ab ab");
  EXPECT_EQ(tokenizer->encode("é", false), (Ids{261, 3 + 0xC3, 3 + 0xA9}));
}

TEST(GgufTokenizer, TextThatSpellsAByteTokenIsNoByte) {
  auto metadata = testing::sentencepiece_gguf();
  for (const char* piece : {"<", "0", "x", "A", ">", "<0", "<0x", "<0xA", "0xA>"}) {
    metadata[kPrefix + "tokens"].push_back(piece);
    metadata[kPrefix + "token_type"].push_back(1);
    metadata[kPrefix + "scores"].push_back(-10);
  }
  const auto tokenizer = testing::load(metadata);
  const Ids ids = tokenizer->encode("<0x0A>", false);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 3 + 0x0A), 0);
  EXPECT_EQ(tokenizer->decode(ids), "<0x0A>");
}

TEST(GgufTokenizer, FlagsPutBosAndEosAround) {
  auto metadata = testing::byte_level_gguf();
  metadata[kPrefix + "add_bos_token"] = true;
  metadata[kPrefix + "add_eos_token"] = true;
  metadata[kPrefix + "bos_token_id"] = 258;
  metadata[kPrefix + "eos_token_id"] = 0;
  EXPECT_EQ(testing::load(metadata)->encode("he"), (Ids{258, 256, 0}));
  EXPECT_EQ(testing::load(metadata)->encode("he", false), (Ids{256}));
}

TEST(GgufTokenizer, NamesTheModelsAndPreTokenizersItKnows) {
  auto metadata = testing::byte_level_gguf();
  metadata[kPrefix + "pre"] = "martian";
  EXPECT_THROW(testing::load(metadata), UnsupportedModelError);
  metadata[kPrefix + "model"] = "t5";
  EXPECT_THROW(testing::load(metadata), UnsupportedModelError);
}

TEST(GgufTokenizer, RefusesContradictions) {
  auto metadata = testing::byte_level_gguf();
  metadata[kPrefix + "token_type"].push_back(1);
  expect_contradiction(metadata, "260 tokens, but 261 token types");

  metadata = testing::byte_level_gguf();
  metadata[kPrefix + "merges"].push_back("h zz");
  expect_contradiction(metadata, "unknown token \"zz\"");

  metadata = testing::byte_level_gguf();
  metadata[kPrefix + "merges"].push_back("he");
  expect_contradiction(metadata, "not two tokens");

  metadata = testing::byte_level_gguf();
  metadata[kPrefix + "tokens"][5] = "\xFF";
  expect_contradiction(metadata, "token 5 is not UTF-8");

  metadata = testing::byte_level_gguf();
  metadata[kPrefix + "tokens"][5] = "he";
  expect_contradiction(metadata, "\"he\" has the ids 5 and 256");

  metadata = testing::byte_level_gguf();
  metadata[kPrefix + "add_bos_token"] = true;
  metadata[kPrefix + "bos_token_id"] = 260;
  expect_contradiction(metadata, "bos_token_id is 260");

  metadata = testing::sentencepiece_gguf();
  metadata[kPrefix + "scores"].erase(0);
  expect_contradiction(metadata, "265 tokens, but 264 scores");

  metadata = testing::byte_level_gguf();
  metadata.erase(kPrefix + "merges");
  expect_contradiction(metadata, "tokenizer.ggml.merges");

  metadata = testing::byte_level_gguf();
  metadata[kPrefix + "tokens"][7] = 7;
  expect_contradiction(metadata, "token 7 is no string");
}

}  // namespace
}  // namespace mm_orch::text
