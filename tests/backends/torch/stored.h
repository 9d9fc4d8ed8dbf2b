// Stored matrices of every type, and sums in double to compare with.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/strips.h"
#include "weights/tensor.h"

namespace mm_orch::testing {

namespace kernels = torch_backend::kernels;

inline std::vector<float> random_floats(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (auto& value : values) value = normal(random);
  return values;
}

// A stored matrix of random bits whose scales are of the size of scales.
struct Stored {
  std::vector<std::byte> bytes;
  weights::Tensor tensor;
  std::vector<float> floats;

  Stored(DType dtype, int64_t rows, int64_t columns) {
    const int64_t row_bytes = kernels::row_bytes(dtype, columns);
    bytes.resize(static_cast<size_t>(rows * row_bytes) + 1);
    std::mt19937 random(7);
    for (auto& byte : bytes) byte = static_cast<std::byte>(random() & 0xff);
    const auto& info = dtype_info(dtype);
    const auto put = [](std::byte* p, auto value) { std::memcpy(p, &value, sizeof value); };
    const auto half = [&] {  // of 2^-9 to 2^-5, either sign
      return static_cast<uint16_t>((random() & 0x83ff) | (6 + random() % 5) << 10);
    };
    std::byte* start = bytes.data() + 1;  // files give no alignment
    const auto values = random_floats(rows * columns, 8);
    for (int64_t i = 0; i < rows * columns / info.block_elements; ++i) {
      std::byte* block = start + i * info.block_bytes;
      if (dtype == DType::kF32) put(block, values[i]);
      if (dtype == DType::kBF16)
        put(block, static_cast<uint16_t>(std::bit_cast<uint32_t>(values[i]) >> 16));
      if (dtype == DType::kF16) put(block, half());
      if (info.block_elements > 1) put(dtype == DType::kQ6_K ? block + 208 : block, half());
      if (dtype == DType::kQ4_1 || dtype == DType::kQ4_K || dtype == DType::kQ5_K)
        put(block + 2, half());
    }
    tensor = {"w", dtype, {rows, columns}, std::span(bytes).subspan(1), nullptr, 0};
    floats = weights::read_f32(tensor);
  }

  kernels::Rows rows() const {
    return {tensor.data.data(), kernels::row_bytes(tensor.dtype, tensor.shape[1]), tensor.dtype};
  }
};

// The same laid out in strips, if there are such of its type.
struct InStrips {
  std::vector<std::byte> buffer;
  kernels::Strips strips;

  explicit InStrips(const Stored& stored) {
    const DType dtype = stored.tensor.dtype;
    if (!kernels::in_strips(dtype)) return;
    const int64_t rows = stored.tensor.shape[0], columns = stored.tensor.shape[1];
    const int64_t bytes = kernels::strip_bytes(dtype, columns);
    const int64_t count = kernels::strips_of(rows);
    buffer.resize(static_cast<size_t>(count * bytes) + 64);
    const auto address = reinterpret_cast<uintptr_t>(buffer.data());
    std::byte* aligned = buffer.data() + (64 - address % 64) % 64;
    kernels::to_strips(stored.rows(), rows, columns, 0, count / 2, aligned);
    kernels::to_strips(stored.rows(), rows, columns, count / 2, count, aligned);
    strips = {aligned, bytes, dtype};
  }
};

// Largest difference from the sums in double, in units of a row's Σ|w·x|.
struct Worst {
  double error = 0;

  void add(float actual, const float* x, const float* w, int64_t columns, float bias) {
    double sum = bias, magnitude = std::abs(bias);
    for (int64_t k = 0; k < columns; ++k) {
      sum += double{x[k]} * w[k];
      magnitude += std::abs(double{x[k]} * w[k]);
    }
    ASSERT_TRUE(std::isfinite(actual));
    error = std::max(error, std::abs(actual - sum) / magnitude);
  }
};

inline std::vector<int64_t> depths(DType dtype) {
  const int64_t block = dtype_info(dtype).block_elements;
  if (block == 1) return {1, 7, 16, 31, 33, 64, 100};
  return {block, 3 * block};
}

constexpr double kFloatError = 4e-7;  // of Σ|w·x|; 2^-22

/// What guesses rely on: what a row gives does not depend on the others of its step.
/// @param multiply  (first, count): the results of these rows, `out` of each.
template <class Multiply>
void expect_same_bits_beside_others(const Multiply& multiply, int64_t rows, int64_t out) {
  std::vector<float> alone;
  for (int64_t r = 0; r < rows; ++r) {
    const auto y = multiply(r, 1);
    alone.insert(alone.end(), y.begin(), y.end());
  }
  for (int64_t count = 2; count <= rows; ++count)
    EXPECT_EQ(multiply(0, count), std::vector<float>(alone.begin(), alone.begin() + count * out))
        << count << " rows";
}

inline std::string type_name(const ::testing::TestParamInfo<DType>& type) {
  return std::string(dtype_info(type.param).name);
}

}  // namespace mm_orch::testing
