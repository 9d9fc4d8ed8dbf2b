#include "weights/gguf.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "file_builders.h"
#include "mm_orch/errors.h"

namespace mm_orch::weights {
namespace {

using testing::GgufBuilder;
using testing::GgufTensor;
using testing::raw;

GgufFile read(const std::string& file) {
  const auto owner = std::make_shared<const std::string>(file);
  return read_gguf(testing::as_bytes(*owner), owner, "file.gguf");
}
GgufFile read(const GgufBuilder& builder) { return read(builder.bytes()); }

// With 64 bytes of data for the tensors that a test describes.
GgufFile read_tensors(const std::vector<GgufTensor>& tensors) {
  GgufBuilder builder;
  for (const auto& tensor : tensors) builder.tensor(tensor);
  builder.data.assign(64, '\1');
  return read(builder);
}

TEST(Gguf, ReadsEveryKindOfMetadata) {
  GgufBuilder builder;
  builder.key_value("u8", 0, raw<uint8_t>(200)).key_value("i8", 1, raw<int8_t>(-3));
  builder.key_value("u16", 2, raw<uint16_t>(60000)).key_value("i16", 3, raw<int16_t>(-300));
  builder.number("u32", 4'000'000'000u).key_value("i32", 5, raw<int32_t>(-70000));
  builder.real("f32", 0.5f).key_value("bool", 7, raw<uint8_t>(1)).string("text", "h\xc3\xa9");
  builder.strings("list", {"a", "", "b"}).key_value("u64", 10, raw<uint64_t>(UINT64_MAX));
  builder.key_value("i64", 11, raw<int64_t>(INT64_MIN)).key_value("f64", 12, raw(0.25));
  const auto expected = nlohmann::json{{"u8", 200},           {"i8", -3},
                                       {"u16", 60000},        {"i16", -300},
                                       {"u32", 4000000000},   {"i32", -70000},
                                       {"f32", 0.5},          {"bool", true},
                                       {"text", "h\xc3\xa9"}, {"list", {"a", "", "b"}},
                                       {"u64", UINT64_MAX},   {"i64", INT64_MIN},
                                       {"f64", 0.25}};
  EXPECT_EQ(read(builder).metadata, expected);
  builder.version = 2;
  EXPECT_EQ(read(builder).metadata, expected);
}

TEST(Gguf, ReversesShapes) {
  const auto file = read(GgufBuilder().floats("t", {3, 2}).floats("u", {4}));
  ASSERT_EQ(file.tensors.size(), 2u);
  EXPECT_EQ(file.tensors[0].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(read_f32(file.tensors[0]), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(read_f32(file.tensors[1]), (std::vector<float>{0, 1, 2, 3}));
}

TEST(Gguf, HonoursTheAlignment) {
  GgufBuilder builder;
  builder.alignment = 8;
  const auto file = read(builder.number("general.alignment", 8).floats("t", {1}).floats("u", {2}));
  EXPECT_EQ(read_f32(file.tensors[1]), (std::vector<float>{0, 1}));
}

TEST(Gguf, RefusesWrongAlignments) {
  for (const uint32_t alignment : {0u, 3u, 48u, 1u << 31})
    EXPECT_ERROR(FileValidationError, read(GgufBuilder().number("general.alignment", alignment)),
                 "general.alignment");
  EXPECT_THROW(read(GgufBuilder().string("general.alignment", "32")), FileValidationError);
}

TEST(Gguf, RefusesEveryTruncation) {
  GgufBuilder builder;
  builder.string("general.architecture", "llama").strings("list", {"a", "b"});
  builder.number("n", 1).floats("t", {8}).floats("u", {2, 4});
  const auto file = builder.bytes();
  EXPECT_EQ(read(file).tensors.size(), 2u);
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_THROW(read(file.substr(0, size)), FileValidationError) << size;
}

TEST(Gguf, NeverCrashesOnAFlippedBit) {
  GgufBuilder builder;
  builder.string("general.architecture", "llama").strings("list", {"a", "b"});
  builder.number("general.alignment", 32).floats("t", {8}).floats("u", {2, 4});
  const auto file = builder.bytes();
  for (size_t bit = 0; bit < file.size() * 8; ++bit) {
    auto damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    try {
      for (const auto& tensor : read(damaged).tensors) read_f32(tensor);
    } catch (const FileValidationError&) {
    } catch (const UnsupportedModelError&) {
    }
  }
}

TEST(Gguf, NamesVersionsItLacks) {
  GgufBuilder builder;
  builder.version = 1;
  EXPECT_ERROR(UnsupportedModelError, read(builder), "version 1");
  builder.version = 4;
  EXPECT_ERROR(FileValidationError, read(builder), "version 4");
  builder.version = 0x03000000;
  EXPECT_ERROR(UnsupportedModelError, read(builder), "big-endian");
  builder.magic = "GGML";
  EXPECT_ERROR(FileValidationError, read(builder), "no GGUF file");
}

TEST(Gguf, RefusesCountsThatTheFileCannotHold) {
  GgufBuilder many_tensors;
  many_tensors.tensor_count = UINT64_MAX;
  EXPECT_ERROR(FileValidationError, read(many_tensors), "18446744073709551615 tensors");
  GgufBuilder many_keys;
  many_keys.key_count = uint64_t{1} << 60;
  EXPECT_ERROR(FileValidationError, read(many_keys), "metadata keys");
  for (const uint32_t type : {0u, 8u, 12u})
    EXPECT_ERROR(
        FileValidationError,
        read(GgufBuilder().key_value("a", 9, raw(type) + raw<uint64_t>(uint64_t{1} << 62))),
        "array elements");
  EXPECT_THROW(read(GgufBuilder().key_value("a", 8, raw(UINT64_MAX))), FileValidationError);
}

TEST(Gguf, BoundsTheMemoryOfMetadata) {
  constexpr uint64_t kCount = (uint64_t{1} << 24) + 1;
  const auto array = raw<uint32_t>(0) + raw(kCount) + std::string(kCount, '\0');
  EXPECT_ERROR(FileValidationError, read(GgufBuilder().key_value("a", 9, array)), "16777216");
}

TEST(Gguf, RefusesUnknownMetadata) {
  EXPECT_ERROR(FileValidationError, read(GgufBuilder().key_value("a", 13, "")), "type 13");
  EXPECT_ERROR(FileValidationError,
               read(GgufBuilder().key_value("a", 9, raw<uint32_t>(9) + raw<uint64_t>(1))),
               "array of arrays");
}

TEST(Gguf, RefusesDuplicates) {
  EXPECT_ERROR(FileValidationError, read(GgufBuilder().number("a", 1).number("a", 1)),
               "'a' occurs twice");
  EXPECT_ERROR(FileValidationError, read(GgufBuilder().floats("t", {1}).floats("t", {1})),
               "'t' occurs twice");
}

TEST(Gguf, RefusesTensorsThatDoNotFit) {
  EXPECT_EQ(read_tensors({{"t", {16}}}).tensors.size(), 1u);
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {17}}}), "truncated");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {16}, 0, 32}}), "truncated");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {1}, 0, UINT64_MAX - 31}}), "truncated");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {1}, 0, 4}}), "alignment");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {16}}, {"u", {8}, 0, 32}}), "overlap");
}

TEST(Gguf, RefusesShapesThatOverflow) {
  constexpr uint64_t kBig = uint64_t{1} << 32;
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {kBig, kBig}}}), "overflows");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {UINT64_MAX}}}), "overflows");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {0, kBig, kBig}}}), "overflows");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {1, 1, 1, 1, 1}}}), "5 axes");
}

TEST(Gguf, RefusesRowsThatAreNoWholeBlocks) {
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {33}, 8}}), "no multiple of 32");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {16, 2}, 2}}), "no multiple of 32");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {128}, 14}}), "no multiple of 256");
}

TEST(Gguf, NamesTypesItLacks) {
  EXPECT_ERROR(UnsupportedModelError, read_tensors({{"t", {256}, 10}}), "Q2_K");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {256}, 4}}), "unknown type 4");
  EXPECT_ERROR(FileValidationError, read_tensors({{"t", {256}, 4096}}), "unknown type 4096");
}

TEST(Gguf, RefusesPartsOfASplitModel) {
  EXPECT_ERROR(UnsupportedModelError,
               read(GgufBuilder().key_value("split.count", 2, raw<uint16_t>(3))), "--merge");
}

}  // namespace
}  // namespace mm_orch::weights
