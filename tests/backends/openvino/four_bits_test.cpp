#include "four_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "graph/weight_reader.h"

namespace mm_orch::openvino {
namespace {

weights::Tensor stored(DType dtype, std::vector<int64_t> shape, std::vector<std::byte> bytes) {
  auto data = std::make_shared<std::vector<std::byte>>(std::move(bytes));
  return {"t", dtype, std::move(shape), *data, data, 0};
}

graph::Weight matrix(weights::Tensor tensor) {
  const auto shape = tensor.shape;
  return {"matrix", {std::move(tensor)}, false, shape};
}

graph::Weight random_matrix(int64_t rows, int64_t columns) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.1f, 1.0f);
  std::vector<float> values(static_cast<size_t>(rows * columns));
  for (auto& value : values) value = normal(random);
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return matrix(stored(DType::kF32, {rows, columns}, std::move(bytes)));
}

// Random nibbles in blocks of 32; a block's scale is 0.5 or 0.25, its minimum -3.75 or -1.5.
graph::Weight random_blocks(DType dtype, int64_t rows, int64_t columns) {
  std::mt19937 random(11);
  std::vector<std::byte> bytes;
  const auto add = [&](unsigned value) { bytes.push_back(static_cast<std::byte>(value)); };
  for (int64_t block = 0; block < rows * columns / 32; ++block) {
    const auto half = [&](unsigned bits) { add(bits & 0xff), add(bits >> 8); };
    half(random() % 2 ? 0x3800 : 0x3400);
    if (dtype == DType::kQ4_1) half(random() % 2 ? 0xc380 : 0xbe00);
    for (int i = 0; i < 16; ++i) add(random() & 0xff);
  }
  return matrix(stored(dtype, {rows, columns}, std::move(bytes)));
}

std::vector<float> values_of(const graph::Weight& weight) {
  std::vector<float> values(
      static_cast<size_t>(graph::row_count(weight) * graph::column_count(weight)));
  graph::read_rows(weight, 0, graph::row_count(weight), values);
  return values;
}

// What the plug-in computes with: (value - zero point) * scale, sum columns added to their groups.
std::vector<float> unpacked(const FourBitMatrix& quantized) {
  const auto shape = quantized.values.get_shape();
  const size_t group = shape[2];
  const size_t width = shape[1] * group;
  const auto* bytes = static_cast<const uint8_t*>(quantized.values.data());
  const auto* scales = quantized.scales.data<float>();
  const auto value = [&](size_t row, size_t column) {
    const size_t index = row * width + column;
    int code = bytes[index / 2] >> (index % 2 * 4) & 15;
    if (quantized.zero_points)
      code -= quantized.zero_points.data<uint8_t>()[index / group];
    else if (code > 7)
      code -= 16;
    return static_cast<float>(code) * scales[index / group];
  };
  const size_t columns = width - static_cast<size_t>(quantized.sum_columns);
  std::vector<float> result;
  for (size_t row = 0; row < shape[0]; ++row)
    for (size_t column = 0; column < columns; ++column)
      result.push_back(value(row, column) +
                       (quantized.sum_columns ? value(row, columns + column / group) : 0.0f));
  return result;
}

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double error = 0;
  for (size_t i = 0; i < a.size(); ++i) error += std::pow(double{a[i]} - b[i], 2);
  return error;
}

// Each group's range spread over 16 values, with the zero point rounded.
std::vector<float> whole_range(const std::vector<float>& values, size_t group) {
  std::vector<float> result;
  for (size_t g = 0; g < values.size(); g += group) {
    const auto [least, most] =
        std::minmax_element(values.begin() + static_cast<ptrdiff_t>(g),
                            values.begin() + static_cast<ptrdiff_t>(g + group));
    const float scale = (std::max(*most, 0.0f) - std::min(*least, 0.0f)) / 15;
    const float zero = std::rint(-std::min(*least, 0.0f) / scale);
    for (size_t i = g; i < g + group; ++i)
      result.push_back((std::clamp(std::rint(values[i] / scale) + zero, 0.0f, 15.0f) - zero) *
                       scale);
  }
  return result;
}

TEST(FourBits, SearchedScalesBeatTheWholeRange) {
  for (const int64_t group : {32, 64}) {
    const auto weight = random_matrix(40, 256);
    const auto values = values_of(weight);
    const double plain = squared_error(whole_range(values, static_cast<size_t>(group)), values);
    const double searched = squared_error(unpacked(quantize_to_four_bits(weight, group)), values);
    EXPECT_LT(searched, 0.94 * plain) << group;
    EXPECT_GT(searched, 0.7 * plain) << group;
  }
}

TEST(FourBits, GroupsOfOneSignOrNoneAreKept) {
  for (const float value : {0.0f, 1.5f, -0.25f, 1e-40f}) {
    std::vector<float> values(64, value);
    values[3] = 0;
    std::vector<std::byte> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    const auto weight = matrix(stored(DType::kF32, {1, 64}, bytes));
    const auto got = unpacked(quantize_to_four_bits(weight, 32));
    for (size_t i = 0; i < 64; ++i) EXPECT_NEAR(got[i], values[i], 1e-6) << value;
  }
}

TEST(FourBits, BlocksWithoutMinimumsAreKeptExactly) {
  const auto weight = random_blocks(DType::kQ4_0, 6, 96);
  const auto kept = keep_four_bits(weight);
  EXPECT_EQ(kept.sum_columns, 0);
  EXPECT_FALSE(kept.zero_points);
  EXPECT_EQ(unpacked(kept), values_of(weight));
}

TEST(FourBits, MinimumsAreKeptInColumnsForSums) {
  const auto weight = random_blocks(DType::kQ4_1, 6, 64 * 32);
  const auto kept = keep_four_bits(weight);
  EXPECT_EQ(kept.sum_columns, 64);
  const auto got = unpacked(kept), expected = values_of(weight);
  // Zero points are 7.5, 15, 3 and 6: what lacks is 0.25 at most, of which a column keeps 15 steps.
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 0.25f / 15) << i;
}

// What a dequantised file holds, in floats or rounded to bf16.
graph::Weight dequantised(const graph::Weight& weight, DType dtype) {
  std::vector<std::byte> bytes;
  for (const float value : values_of(weight)) {
    auto bits = std::bit_cast<uint32_t>(value);
    if (dtype == DType::kBF16) bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    for (int i = 0; i < (dtype == DType::kBF16 ? 2 : 4); ++i)
      bytes.push_back(static_cast<std::byte>(bits >> 8 * i & 0xff));
  }
  return matrix(stored(dtype, weight.shape, std::move(bytes)));
}

TEST(FourBits, FloatsOnGridsAreFoundAndKept) {
  for (const auto type : {DType::kQ4_0, DType::kQ4_1})
    for (const auto dtype : {DType::kF32, DType::kBF16}) {
      const auto blocks = random_blocks(type, 70, 64 * 32);
      const auto floats = dequantised(blocks, dtype);
      ASSERT_TRUE(has_four_bits(floats));
      const auto got = unpacked(keep_four_bits(floats)), expected = values_of(blocks);
      for (size_t i = 0; i < got.size(); ++i)
        ASSERT_NEAR(got[i], expected[i], 0.25f / 15 + (dtype == DType::kBF16 ? 0.01f : 0)) << i;
    }
}

TEST(FourBits, FloatsOffTheGridsAreNot) {
  EXPECT_FALSE(has_four_bits(random_matrix(40, 256)));
  auto weight = random_blocks(DType::kQ4_1, 70, 64 * 32);
  auto floats = dequantised(weight, DType::kF32);
  auto bytes = std::vector<std::byte>(floats.parts[0].data.begin(), floats.parts[0].data.end());
  const float off = 0.03f;
  std::memcpy(bytes.data() + bytes.size() - sizeof off, &off, sizeof off);
  EXPECT_FALSE(has_four_bits(matrix(stored(DType::kF32, weight.shape, std::move(bytes)))));
  const std::vector<std::byte> zeros(64 * 4);
  EXPECT_FALSE(has_four_bits(matrix(stored(DType::kF32, {1, 64}, zeros))));
}

}  // namespace
}  // namespace mm_orch::openvino
