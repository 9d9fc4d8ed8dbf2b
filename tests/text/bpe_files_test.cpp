#include "text/bpe_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "mm_orch/errors.h"
#include "text/vocabularies.h"

namespace mm_orch::text {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

class BpeFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(::testing::TempDir()) / (std::string("bpe_files_") + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    auto vocabulary = nlohmann::json::object();
    const auto bytes = testing::byte_alphabet();
    for (size_t id = 0; id < bytes.size(); ++id) vocabulary[bytes[id]] = id;
    vocabulary["he"] = 256;
    vocabulary["<|endoftext|>"] = 257;
    write("vocab.json", vocabulary.dump());
    write("merges.txt", "#version: 0.2\nh e\n");
  }

  void write(const char* name, const std::string& content) const {
    std::ofstream(folder_ / name) << content;
  }
  std::shared_ptr<const Tokenizer> load() const {
    return Tokenizer::from_files({.directory = folder_, .gguf = {}});
  }

  fs::path folder_;
};

TEST_F(BpeFiles, KnowEndOfTextWithoutBeingTold) {
  EXPECT_EQ(load()->encode("he<|endoftext|>"), (Ids{256, 257}));
  EXPECT_TRUE(load()->is_special(257));
}

TEST_F(BpeFiles, TakeSpecialTokensFromTheMap) {
  write("special_tokens_map.json", R"({"eos_token": {"content": "he"}, "pad_token": "<pad>"})");
  EXPECT_EQ(load()->token_to_id("<pad>"), 258);
  EXPECT_TRUE(load()->is_special(256));
}

TEST_F(BpeFiles, RefuseClassesTheyCannotStandFor) {
  write("tokenizer_config.json", R"({"tokenizer_class": "RobertaTokenizer"})");
  EXPECT_THROW(load(), UnsupportedModelError);
}

TEST_F(BpeFiles, NameTheDamagedFile) {
  write("merges.txt", "#version: 0.2\nh zz\n");
  try {
    load();
    FAIL();
  } catch (const FileValidationError& error) {
    EXPECT_EQ(error.context().path, (folder_ / "merges.txt").string());
    EXPECT_NE(std::string(error.what()).find("line 2"), std::string::npos) << error.what();
  }
  for (const char* content : {"", "[]", R"({"a": "b"})", R"({"a": -1})"}) {
    write("vocab.json", content);
    EXPECT_THROW(load(), FileValidationError) << content;
  }
}

TEST_F(BpeFiles, RefuseBrokenSettings) {
  for (const char* content : {"{", R"({"added_tokens_decoder": {"x": "<a>"}})",
                              R"({"added_tokens_decoder": [1]})", R"({"tokenizer_class": 3})"}) {
    write("tokenizer_config.json", content);
    EXPECT_THROW(load(), FileValidationError) << content;
  }
}

}  // namespace
}  // namespace mm_orch::text
