#include "weights/safetensors.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "file_builders.h"
#include "mm_orch/errors.h"
#include "support/temporary_folder.h"

namespace mm_orch::weights {
namespace {

using testing::raw;
using testing::safetensors_bytes;

std::vector<Tensor> read(const std::string& file) {
  const auto owner = std::make_shared<const std::string>(file);
  return read_safetensors(testing::as_bytes(*owner), owner, "file");
}

// One tensor "t", F32 [2].
std::string entry(const std::string& members) { return "{\"t\":{" + members + "}}"; }
const std::string kEight(8, '\1');

TEST(Safetensors, ReadsTensorsInAnyOrder) {
  const auto file = safetensors_bytes(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[4,12]},)"
      R"("a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}})",
      raw<int16_t>(-3) + raw<int16_t>(7) + raw(1.5f) + raw(2.5f));
  const auto tensors = read(file);
  ASSERT_EQ(tensors.size(), 2u);
  EXPECT_EQ(tensors[0].name, "a");
  EXPECT_EQ(read_f32(tensors[0]), (std::vector<float>{-3, 7}));
  EXPECT_EQ(tensors[1].shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(read_f32(tensors[1]), (std::vector<float>{1.5, 2.5}));
}

TEST(Safetensors, ReadsScalarsAndEmptyTensors) {
  const auto file = safetensors_bytes(R"({"e":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]},)"
                                      R"("s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                                      raw(9.0f));
  const auto tensors = read(file);
  EXPECT_TRUE(read_f32(tensors[0]).empty());
  EXPECT_EQ(read_f32(tensors[1]), std::vector<float>{9});
}

TEST(Safetensors, RefusesEveryTruncation) {
  const auto file =
      safetensors_bytes(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), kEight);
  EXPECT_EQ(read(file).size(), 1u);
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_THROW(read(file.substr(0, size)), FileValidationError) << size;
}

TEST(Safetensors, RefusesBytesAfterTheLastTensor) {
  const auto file =
      safetensors_bytes(entry(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), kEight + "x");
  EXPECT_ERROR(FileValidationError, read(file), "9");
}

TEST(Safetensors, RefusesAbsurdHeaderSizes) {
  EXPECT_ERROR(FileValidationError, read(raw(UINT64_MAX) + "{}"), "18446744073709551615");
  EXPECT_ERROR(FileValidationError, read(raw<uint64_t>(99'999'999) + "{}"), "99999999");
}

TEST(Safetensors, RefusesShapesThatOverflow) {
  for (const char* shape :
       {"[4611686018427387904,4]", "[4294967296,4294967296]", "[18446744073709551615]",
        "[0,18446744073709551615,18446744073709551615]", "[18446744073709551616]", "[-2]", "[2.0]",
        "[1,1,1,1,1,1,1,1,1]", "2", "[\"2\"]"})
    EXPECT_THROW(read(safetensors_bytes(entry(std::string(R"("dtype":"F32","shape":)") + shape +
                                              R"(,"data_offsets":[0,8])"),
                                        kEight)),
                 FileValidationError)
        << shape;
}

TEST(Safetensors, RefusesOffsetsThatDoNotFit) {
  for (const char* offsets : {"[0,16]", "[8,0]", "[0,4]", "[4,12]", "[0,18446744073709551615]",
                              "[18446744073709551608,18446744073709551615]", "[-8,0]", "[0]",
                              "[0,8,8]", "{}", "[0.0,8.0]"})
    EXPECT_THROW(
        read(safetensors_bytes(
            entry(std::string(R"("dtype":"F32","shape":[2],"data_offsets":)") + offsets), kEight)),
        FileValidationError)
        << offsets;
}

TEST(Safetensors, RefusesOverlapsAndHoles) {
  const auto two = [](const char* first, const char* second) {
    return safetensors_bytes(std::string(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)") +
                                 first + R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" +
                                 second + "}}",
                             kEight);
  };
  EXPECT_EQ(read(two("[4,8]", "[0,4]")).size(), 2u);
  EXPECT_THROW(read(two("[0,4]", "[0,4]")), FileValidationError);
  EXPECT_THROW(read(two("[0,4]", "[3,7]")), FileValidationError);
}

TEST(Safetensors, RefusesDuplicateNames) {
  const std::string one = R"("t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  EXPECT_ERROR(FileValidationError, read(safetensors_bytes("{" + one + "," + one + "}", "1234")),
               "'t' occurs twice");
}

TEST(Safetensors, RefusesDeeplyNestedJson) {
  for (const char open : {'[', '{'}) {
    std::string header;
    for (int i = 0; i < 200'000; ++i) header += open == '[' ? "[" : "{\"a\":";
    EXPECT_ERROR(FileValidationError, read(safetensors_bytes(header, "")), "nested deeper");
  }
}

TEST(Safetensors, RefusesWhatIsNoHeader) {
  for (const char* header : {"", "[]", "1", "{", "{\"t\":1}", "{\"t\":{}}", "{\"t\":{\"dtype\":1}}",
                             "{}}", "\xff{}", "{\"a\":1e999}"})
    EXPECT_THROW(read(safetensors_bytes(header, "")), FileValidationError) << header;
}

TEST(Safetensors, NamesAnElementTypeItLacks) {
  EXPECT_ERROR(UnsupportedModelError,
               read(safetensors_bytes(
                   entry(R"("dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8])"), kEight)),
               "F8_E4M3");
}

TEST(Safetensors, EscapesNamesInMessages) {
  const std::string header = "{\"\\u0000\xc3\xa9\":{}}";
  EXPECT_ERROR(FileValidationError, read(safetensors_bytes(header, "")), "'\\x00\\xc3\\xa9'");
}

class ShardedSafetensors : public ::testing::Test {
 protected:
  void write_shard(const std::string& file, const std::string& tensor) {
    folder_.write(
        file, safetensors_bytes(
                  "{\"" + tensor + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "\5"));
  }
  auto read_index(const std::string& map) {
    return read_sharded_safetensors(folder_.write("index.json", "{\"weight_map\":" + map + "}"));
  }
  testing::TemporaryFolder folder_;
};

TEST_F(ShardedSafetensors, ReadsWhatTheIndexLists) {
  write_shard("1.safetensors", "a");
  write_shard("2.safetensors", "b");
  EXPECT_EQ(read_index(R"({"a":"1.safetensors","b":"2.safetensors"})").size(), 2u);
}

TEST_F(ShardedSafetensors, NamesTheMissingShard) {
  write_shard("1.safetensors", "a");
  EXPECT_ERROR(FileValidationError, read_index(R"({"a":"1.safetensors","b":"2.safetensors"})"),
               "2.safetensors");
}

TEST_F(ShardedSafetensors, RefusesShardsOutsideTheFolder) {
  write_shard("1.safetensors", "a");
  for (const char* shard : {"../1.safetensors", "..", ".", "", "/etc/passwd", "a/../1.safetensors",
                            "..\\\\1.safetensors", "1.safetensors\\u0000"})
    EXPECT_ERROR(FileValidationError, read_index(std::string("{\"a\":\"") + shard + "\"}"),
                 "no plain file name");
}

TEST_F(ShardedSafetensors, RefusesATensorThatIsInAnotherShard) {
  write_shard("1.safetensors", "a");
  write_shard("2.safetensors", "b");
  EXPECT_ERROR(FileValidationError, read_index(R"({"b":"1.safetensors","a":"2.safetensors"})"),
               "1.safetensors");
}

TEST_F(ShardedSafetensors, RefusesAnIndexWithoutMap) {
  for (const char* map : {"{}", "[]", "1", "{\"a\":1}", "{\"a\":\"x\",\"a\":\"y\"}"})
    EXPECT_THROW(read_index(map), FileValidationError) << map;
}

}  // namespace
}  // namespace mm_orch::weights
