#include "weights/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "expect_error.h"
#include "file_builders.h"
#include "mm_orch/errors.h"

namespace mm_orch::weights {
namespace {

using testing::raw;

Tensor make(DType dtype, std::vector<int64_t> shape, const std::string& bytes) {
  Tensor tensor;
  tensor.name.push_back('t');
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  tensor.data = testing::as_bytes(bytes);
  return tensor;
}

template <class T>
std::string raw_all(std::initializer_list<T> values) {
  std::string bytes;
  for (const T value : values) bytes += raw(value);
  return bytes;
}

// Q8_0 blocks of scale 1 with the values 0, 1, 2, ... (in int8).
std::string q8_blocks(int count) {
  std::string bytes;
  for (int block = 0; block < count; ++block) {
    bytes.append(raw<uint16_t>(0x3c00));
    for (int i = 0; i < 32; ++i) bytes.push_back(static_cast<char>(block * 32 + i));
  }
  return bytes;
}

TEST(Tensor, ConvertsPlainTypes) {
  const auto read = [](DType dtype, const std::string& bytes) {
    return read_f32(make(dtype, {2}, bytes));
  };
  EXPECT_EQ(read(DType::kF64, raw_all({0.5, -2.0})), (std::vector<float>{0.5, -2}));
  EXPECT_EQ(read(DType::kI64, raw_all<int64_t>({-5, 7})), (std::vector<float>{-5, 7}));
  EXPECT_EQ(read(DType::kI8, raw_all<int8_t>({-5, 7})), (std::vector<float>{-5, 7}));
  EXPECT_EQ(read(DType::kU8, raw_all<uint8_t>({250, 7})), (std::vector<float>{250, 7}));
  EXPECT_EQ(read(DType::kBool, raw_all<uint8_t>({0, 1})), (std::vector<float>{0, 1}));
  EXPECT_EQ(read(DType::kBF16, raw_all<uint16_t>({0x3f80, 0xc000})), (std::vector<float>{1, -2}));
}

TEST(Tensor, ConvertsHalvesAtTheirEdges) {
  const auto bytes =
      raw_all<uint16_t>({0x0000, 0x8000, 0x0001, 0x03ff, 0x0400, 0x7bff, 0x7c00, 0xfc00, 0x7e00});
  const auto values = read_f32(make(DType::kF16, {9}, bytes));
  EXPECT_EQ(values[0], 0.0f);
  EXPECT_TRUE(std::signbit(values[1]));
  EXPECT_EQ(values[2], std::ldexp(1.0f, -24));
  EXPECT_EQ(values[3], std::ldexp(1023.0f, -24));
  EXPECT_EQ(values[4], std::ldexp(1.0f, -14));
  EXPECT_EQ(values[5], 65504.0f);
  EXPECT_EQ(values[6], std::numeric_limits<float>::infinity());
  EXPECT_EQ(values[7], -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(values[8]));
}

TEST(Tensor, ReadsRowRanges) {
  const auto blocks = q8_blocks(4);
  const auto tensor = make(DType::kQ8_0, {4, 32}, blocks);
  std::vector<float> out(64);
  read_f32(tensor, 1, 2, out);
  for (size_t i = 0; i < out.size(); ++i) EXPECT_EQ(out[i], static_cast<float>(32 + i));
}

// A vector's rows are single elements, so a range of them may begin and end within blocks.
TEST(Tensor, ReadsPartsOfBlocks) {
  const auto blocks = q8_blocks(4);
  const auto tensor = make(DType::kQ8_0, {128}, blocks);
  for (const auto& [first, count] : {std::pair{0, 1}, {5, 3}, {31, 2}, {10, 100}, {33, 95}}) {
    std::vector<float> out(static_cast<size_t>(count));
    read_f32(tensor, first, count, out);
    for (int i = 0; i < count; ++i) EXPECT_EQ(out[static_cast<size_t>(i)], first + i);
  }
}

// Found by the fuzzer: a file claims 2^60 rows of no elements, which take no bytes.
TEST(Tensor, ReadsRowsWithoutElementsAtOnce) {
  const Tensor tensor{"empty", DType::kF32, {int64_t{1} << 60, 0}, {}, nullptr, 64};
  EXPECT_TRUE(read_f32(tensor).empty());
}

TEST(Tensor, UndoesInterleavedHeads) {
  // Two heads of size 4: on disk rows 0, 2, 1, 3 of each head.
  const auto bytes = raw_all({0.f, 2.f, 1.f, 3.f, 4.f, 6.f, 5.f, 7.f});
  auto tensor = make(DType::kF32, {8, 1}, bytes);
  tensor.interleaved_head_size = 4;
  std::vector<float> expected(8);
  std::iota(expected.begin(), expected.end(), 0.0f);
  EXPECT_EQ(read_f32(tensor), expected);
  std::vector<float> part(3);
  read_f32(tensor, 3, 3, part);
  EXPECT_EQ(part, (std::vector<float>{3, 4, 5}));
}

TEST(Tensor, RefusesRowsItLacks) {
  const auto bytes = raw_all({0.f, 1.f});
  const auto tensor = make(DType::kF32, {2, 1}, bytes);
  std::vector<float> out(1);
  EXPECT_THROW(read_f32(tensor, 2, 1, out), InvalidInputError);
  EXPECT_THROW(read_f32(tensor, -1, 1, out), InvalidInputError);
  EXPECT_THROW(read_f32(tensor, INT64_MAX, 1, out), InvalidInputError);
  EXPECT_ERROR(InvalidInputError, read_f32(tensor, 0, 2, out), "room is for 1");
}

// Every element of a block lies on its group's grid.
TEST(Tensor, GridsHoldTheElements) {
  std::mt19937 random(3);
  const struct {
    DType dtype;
    int least, most;
  } cases[] = {{DType::kQ8_0, -128, 127},
               {DType::kQ4_0, 0, 15},
               {DType::kQ4_1, 0, 15},
               {DType::kQ4_K, 0, 15}};
  for (const auto& [dtype, least, most] : cases) {
    const auto& info = dtype_info(dtype);
    std::string bytes;
    for (int block = 0; block < 4 * 256 / info.block_elements; ++block) {
      bytes += raw<uint16_t>(0x2800 + block) + raw<uint16_t>(0x2c00 + block);
      for (int i = 4; i < info.block_bytes; ++i) bytes.push_back(static_cast<char>(random()));
    }
    auto tensor = make(dtype, {4, 256}, bytes);
    tensor.interleaved_head_size = 4;
    const auto values = read_f32(tensor);
    std::vector<Grid> grids(3 * 8);
    read_grids(tensor, 1, 3, grids);
    bool between = false;
    for (size_t i = 0; i < 3 * 256; ++i) {
      const Grid& grid = grids[i / 32];
      const float code = grid.scale ? (values[256 + i] - grid.minimum) / grid.scale : 0;
      EXPECT_NEAR(code, std::rint(code), 1e-3) << info.name << i;
      EXPECT_GE(std::rint(code), least) << info.name << i;
      EXPECT_LE(std::rint(code), most) << info.name << i;
      between |= std::rint(code) != least && std::rint(code) != most;
    }
    EXPECT_TRUE(between);
  }
  EXPECT_EQ(grid_bits(DType::kQ6_K), 0);
  std::vector<Grid> grids(7);
  const auto blocks = q8_blocks(8);
  const auto tensor = make(DType::kQ8_0, {4, 64}, blocks);
  EXPECT_ERROR(InvalidInputError, read_grids(tensor, 0, 4, grids), "room is for 7");
}

}  // namespace
}  // namespace mm_orch::weights
