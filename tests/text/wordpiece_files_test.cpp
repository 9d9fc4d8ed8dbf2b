#include "text/wordpiece_files.h"

#include <gtest/gtest.h>

#include <fstream>

#include "mm_orch/errors.h"
#include "text/tokenizer.h"

namespace mm_orch::text {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;

class WordPieceFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(::testing::TempDir()) / (std::string("wordpiece_") + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write("vocab.txt", "[PAD]\r\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nA\n");
  }

  void write(const char* name, const std::string& content) const {
    std::ofstream(folder_ / name) << content;
  }
  std::shared_ptr<const Tokenizer> load() const {
    return Tokenizer::from_files({.directory = folder_, .gguf = {}});
  }

  fs::path folder_;
};

TEST_F(WordPieceFiles, PutSpecialTokensAroundTextsAndTellThemApart) {
  EXPECT_EQ(load()->encode("Ab z"), (Ids{2, 5, 6, 1, 3}));
  const auto pair = load()->encode_with_types("ab", "a");
  EXPECT_EQ(pair.ids, (Ids{2, 5, 6, 3, 5, 3}));
  EXPECT_EQ(pair.type_ids, (Ids{0, 0, 0, 0, 1, 1}));
}

TEST_F(WordPieceFiles, CutTheLongerTextFirst) {
  const auto cut = load()->encode_with_types("ab ab", "a", 6);
  EXPECT_EQ(cut.ids, (Ids{2, 5, 6, 3, 5, 3}));
  EXPECT_EQ(load()->encode_with_types("ab ab", std::nullopt, 3).ids, (Ids{2, 5, 3}));
  EXPECT_THROW(load()->encode_with_types("ab", "a", 2), InvalidInputError);
  EXPECT_THROW(load()->encode_with_types("ab", "a", 0), InvalidInputError);
  EXPECT_THROW(load()->encode_with_types("ab", "\xFF"), InvalidInputError);
}

TEST_F(WordPieceFiles, KeepCapitalsWhenTold) {
  write("tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(load()->encode("A a"), (Ids{2, 7, 5, 3}));
}

TEST_F(WordPieceFiles, NameWhatIsMissingOrDamaged) {
  const auto message = [&] {
    try {
      load();
    } catch (const FileValidationError& error) {
      return std::string(error.what());
    }
    return std::string("no FileValidationError");
  };
  write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\na\n");
  EXPECT_NE(message().find("sep_token \"[SEP]\""), std::string::npos) << message();
  write("vocab.txt", "[PAD]\n\xFF\n");
  EXPECT_NE(message().find("byte 6 is not UTF-8"), std::string::npos) << message();
  SetUp();
  write("tokenizer_config.json", R"({"do_lower_case": "yes"})");
  EXPECT_NE(message().find("do not fit"), std::string::npos) << message();
}

TEST_F(WordPieceFiles, RefuseClassesTheyCannotStandFor) {
  write("tokenizer_config.json", R"({"tokenizer_class": "MPNetTokenizerFast"})");
  EXPECT_THROW(load(), UnsupportedModelError);
}

}  // namespace
}  // namespace mm_orch::text
