#include "text/sentencepiece_files.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "mm_orch/errors.h"
#include "text/protobuf_builder.h"
#include "text/sentencepiece_model.h"
#include "text/tokenizer.h"

namespace mm_orch::text {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<int64_t>;
using testing::piece;
using testing::ProtobufBuilder;

// <pad> </s> <unk> ▁ a b ▁a, as T5 numbers them.
ProtobufBuilder t5_pieces() {
  ProtobufBuilder model;
  model.message(1, piece("<pad>", 0, 3)).message(1, piece("</s>", 0, 3));
  model.message(1, piece("<unk>", 0, 2)).message(1, piece("▁", -2, 1));
  model.message(1, piece("a", -3, 1)).message(1, piece("b", -3, 1));
  model.message(1, piece("▁a", -2.5, 1));
  return model.message(2, ProtobufBuilder().number(3, 1).number(40, 2));
}

SentencePieceModel read(const ProtobufBuilder& model) {
  return read_sentencepiece_model(model.bytes(), "spiece.model");
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const FileValidationError& error) {
    EXPECT_EQ(error.context().path, "spiece.model");
    return error.what();
  }
  return "no FileValidationError";
}

TEST(SentencePieceFiles, BecomeTheTokenizerOfT5) {
  const auto folder = fs::path(::testing::TempDir()) / "t5_pieces";
  fs::create_directories(folder);
  std::ofstream(folder / "spiece.model", std::ios::binary) << t5_pieces().bytes();
  const auto tokenizer = Tokenizer::from_files({.directory = folder, .gguf = {}});
  EXPECT_EQ(tokenizer->vocabulary_size(), 107);
  EXPECT_EQ(tokenizer->encode(" a  ab <extra_id_0>c"), (Ids{6, 6, 5, 106, 3, 2, 1}));
  EXPECT_TRUE(tokenizer->is_special(7));  // <extra_id_99>
  EXPECT_EQ(tokenizer->decode(Ids{6, 6, 5, 1}), "a ab");
}

TEST(SentencePieceModel, SkipsFieldsThatAreNotAskedFor) {
  auto model = t5_pieces();
  model.number(200, 5).message(4, ProtobufBuilder().text(1, "x")).real(77, 1.5F);
  const auto read_model = read(model);
  EXPECT_EQ(read_model.pieces.size(), 7U);
  EXPECT_EQ(read_model.unknown_id, 2);
  EXPECT_FLOAT_EQ(read_model.pieces[6].score, -2.5F);
}

TEST(SentencePieceModel, IsRefusedWhenCutShortWithinAField) {
  const std::string whole = t5_pieces().bytes();
  int cuts_between_fields = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    try {
      read_sentencepiece_model(whole.substr(0, size), "spiece.model");
      ++cuts_between_fields;
    } catch (const FileValidationError&) {
    }
  }
  EXPECT_EQ(cuts_between_fields, 7);  // after each piece
}

TEST(SentencePieceModel, IsRefusedWhenItContradictsItself) {
  const auto expect = [](const ProtobufBuilder& model, const char* what) {
    const auto message = refusal([&] { read(model); });
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  expect(ProtobufBuilder().number(9, 1), "no pieces");
  expect(t5_pieces().message(1, piece("a", 0, 1)), "\"a\" twice");
  expect(t5_pieces().message(1, piece("\xFF", 0, 1)), "not UTF-8");
  expect(t5_pieces().number(1, 3), "another type");
  expect(t5_pieces().message(2, ProtobufBuilder().number(40, 7)), "there are 7 pieces");
  expect(t5_pieces().message(3, ProtobufBuilder().text(2, "abc")), "cut short");
  // A trie of 4 GB.
  expect(t5_pieces().message(3, ProtobufBuilder().text(2, std::string("\xFC\xFF\xFF\xFFzz", 6))),
         "cut short");
}

TEST(SentencePieceModel, OfAnUnknownAlgorithmIsUnsupported) {
  const auto words = t5_pieces().message(2, ProtobufBuilder().number(3, 3));
  EXPECT_THROW(read(words), UnsupportedModelError);
}

}  // namespace
}  // namespace mm_orch::text
