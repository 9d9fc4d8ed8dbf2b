#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "mm_orch/errors.h"
#include "text/vocabularies.h"

namespace mm_orch::text {
namespace {

using Ids = std::vector<int64_t>;

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InvalidInputError& error) {
    return error.what();
  }
  return "no InvalidInputError";
}

TEST(Tokenizer, EncodesNulLikeAnyByte) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  const std::string text("h\0he", 4);
  const Ids ids = tokenizer->encode(text);
  EXPECT_EQ(ids, (Ids{'h', 0, 256}));
  EXPECT_EQ(tokenizer->decode(ids), text);
}

TEST(Tokenizer, EncodesNothing) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  EXPECT_TRUE(tokenizer->encode("").empty());
  EXPECT_EQ(tokenizer->decode(Ids{}), "");
}

TEST(Tokenizer, RefusesInvalidUtf8AndNamesTheByte) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  const auto message = message_of([&] { tokenizer->encode("ab\xFFzz"); });
  EXPECT_NE(message.find("offset 2"), std::string::npos) << message;
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  EXPECT_EQ(tokenizer->vocabulary_size(), 260);
  for (const int64_t id : {int64_t{260}, int64_t{-1}, int64_t{1} << 40}) {
    const auto message = message_of([&] { tokenizer->decode(Ids{65, id}); });
    EXPECT_NE(message.find(std::to_string(id)), std::string::npos) << message;
    EXPECT_NE(message.find("260"), std::string::npos) << message;
  }
}

TEST(Tokenizer, SkipsSpecialTokensOnlyWhenAsked) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  const Ids ids = tokenizer->encode("he<|end|><think>");
  EXPECT_EQ(ids, (Ids{256, 258, 259}));
  EXPECT_EQ(tokenizer->decode(ids), "he<think>");
  EXPECT_EQ(tokenizer->decode(ids, false), "he<|end|><think>");
  EXPECT_TRUE(tokenizer->is_special(258));
  EXPECT_FALSE(tokenizer->is_special(259));
  EXPECT_FALSE(tokenizer->is_special(-5));
}

TEST(Tokenizer, LooksTokensUpBothWays) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  EXPECT_EQ(tokenizer->token_to_id("<|end|>"), 258);
  EXPECT_EQ(tokenizer->token_to_id("absent"), std::nullopt);
  EXPECT_EQ(tokenizer->id_to_token(256), "he");
  EXPECT_EQ(tokenizer->id_to_token(260), std::nullopt);
}

TEST(Tokenizer, WritesATokenizerJsonEqualToItself) {
  for (const auto& metadata : {testing::byte_level_gguf(), testing::sentencepiece_gguf()}) {
    const auto first = testing::load(metadata);
    const auto second = Tokenizer::from_json(first->to_json());
    EXPECT_EQ(first->to_json(), second->to_json());
    EXPECT_EQ(first->encode(" he é ab"), second->encode(" he é ab"));
  }
}

TEST(Tokenizer, NamesTheDamagedFile) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "damaged_tokenizer";
  std::filesystem::create_directories(folder);
  for (const char* content : {"", "{", "{}", R"({"model": {"type": "BPE", "vocab": 3}})"}) {
    std::ofstream(folder / "tokenizer.json") << content;
    try {
      Tokenizer::from_files({.directory = folder, .gguf = {}});
      FAIL() << content;
    } catch (const FileValidationError& error) {
      EXPECT_EQ(error.context().path, (folder / "tokenizer.json").string());
    }
  }
}

TEST(Tokenizer, IsNotFoundInAnEmptyFolder) {
  const auto folder = std::filesystem::path(::testing::TempDir()) / "no_tokenizer";
  std::filesystem::create_directories(folder);
  EXPECT_THROW(Tokenizer::from_files({.directory = folder, .gguf = {}}), ModelNotFoundError);
}

TEST(Tokenizer, IsSharedByThreads) {
  const auto tokenizer = testing::load(testing::byte_level_gguf());
  const Ids expected = tokenizer->encode("he said he heard");
  std::vector<std::thread> threads;
  std::atomic<int> differences = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        if (tokenizer->encode("he said he heard") != expected) ++differences;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(differences, 0);
}

}  // namespace
}  // namespace mm_orch::text
