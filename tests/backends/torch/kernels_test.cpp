// The kernels of the PyTorch backend, against sums in double of what weights::read_f32 says a
// stored weight is: every type, every remainder, every width of vectors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <tuple>

#include "kernels/attention.h"
#include "kernels/linear_tile.h"
#include "kernels/packed_linear.h"
#include "kernels/rowwise.h"
#include "stored.h"

namespace mm_orch::testing {
namespace {

constexpr DType kTypes[] = {DType::kF32,  DType::kBF16, DType::kF16,  DType::kQ8_0, DType::kQ4_0,
                            DType::kQ4_1, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

class Kernels : public ::testing::TestWithParam<DType> {};

INSTANTIATE_TEST_SUITE_P(Types, Kernels, ::testing::ValuesIn(kTypes), type_name);

TEST_P(Kernels, ExpandToWhatTheWeightsReaderSays) {
  for (const int64_t columns : depths(GetParam())) {
    const Stored stored(GetParam(), 5, columns);
    ASSERT_TRUE(kernels::can_read(GetParam(), columns));
    std::vector<float> actual(static_cast<size_t>(3 * columns));
    kernels::expand(stored.rows(), 2, 3, columns, actual.data());
    EXPECT_EQ(std::memcmp(actual.data(), &stored.floats[2 * columns], actual.size() * 4), 0)
        << columns;
  }
}

TEST_P(Kernels, LinearIsAFloatSumInEachWidth) {
  const auto best = [](const auto& args, int64_t a, int64_t b) { kernels::linear(args, a, b); };
  const auto four = [](const auto& args, int64_t a, int64_t b) {
    kernels::linear_body<4>(args, a, b);
  };
  const int64_t out = 11;
  const auto bias = random_floats(out, 3);
  for (const int64_t columns : depths(GetParam())) {
    const Stored stored(GetParam(), out, columns);
    for (const int64_t rows : {1, 2, 3, 4, 5, 7}) {
      const auto x = random_floats(rows * (columns + 3), 2);
      for (const auto& run :
           {std::function<void(const kernels::LinearArgs&, int64_t, int64_t)>(best), {four}}) {
        std::vector<float> y(static_cast<size_t>(rows * 13), -1.0f);
        const kernels::LinearArgs args{x.data(), columns + 3, stored.rows(), bias.data(),
                                       y.data(), 13,          rows,          columns};
        run(args, 0, 6);
        run(args, 6, out);
        Worst worst;
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t o = 0; o < out; ++o)
            worst.add(y[r * 13 + o], &x[r * (columns + 3)], &stored.floats[o * columns], columns,
                      bias[o]);
          EXPECT_EQ(y[r * 13 + 11], -1.0f);  // nothing beyond its columns
        }
        EXPECT_LE(worst.error, kFloatError) << columns << " " << rows;
      }
    }
  }
}

class Packed : public Kernels {
 protected:
  // Of 3 parts or 1; the largest error.
  static double error_of(int parts, int64_t rows, int64_t out, int64_t columns,
                         bool in_strips = false) {
    const Stored stored(GetParam(), out, columns);
    const InStrips strips(stored);
    kernels::StoredWeight weight = stored.rows();
    if (in_strips) weight = strips.strips;
    const auto bias = random_floats(out, 3);
    const auto x = random_floats(rows * columns, 2);
    std::vector<float> y(static_cast<size_t>(rows * (out + 1)), -1.0f);
    std::vector<uint16_t> packed(static_cast<size_t>(kernels::packed_size(rows, columns, parts)) +
                                 32);
    const kernels::PackedRows packed_rows{aligned(packed), rows, columns, parts};
    const int64_t blocks = (rows + 15) / 16;
    kernels::pack_rows(x.data(), columns, packed_rows, 0, blocks / 2, aligned(packed));
    kernels::pack_rows(x.data(), columns, packed_rows, blocks / 2, blocks, aligned(packed));
    const kernels::PackedArgs args{packed_rows, weight, out, bias.data(), y.data(), out + 1};
    std::vector<uint16_t> scratch(static_cast<size_t>(kernels::panel_scratch_size(packed_rows)) +
                                  32);
    const int64_t panels = (out + kernels::kPanel - 1) / kernels::kPanel;
    kernels::packed_linear(args, 0, panels / 2, aligned(scratch));
    kernels::packed_linear(args, panels / 2, panels, aligned(scratch));
    Worst worst;
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t o = 0; o < out; ++o)
        worst.add(y[r * (out + 1) + o], &x[r * columns], &stored.floats[o * columns], columns,
                  bias[o]);
      EXPECT_EQ(y[r * (out + 1) + out], -1.0f);
    }
    return worst.error;
  }

  static uint16_t* aligned(std::vector<uint16_t>& buffer) {
    return reinterpret_cast<uint16_t*>((reinterpret_cast<uintptr_t>(buffer.data()) + 63) / 64 * 64);
  }
};

INSTANTIATE_TEST_SUITE_P(Types, Packed, ::testing::ValuesIn(kTypes), type_name);

TEST_P(Packed, ThreePartsAreAFloat) {
  if (!kernels::has_amx()) GTEST_SKIP() << "this processor has no AMX";
  for (const int64_t columns : depths(GetParam()))
    for (const int64_t rows : {1, 15, 16, 17, 33, 50})
      for (const int64_t out : {1, 16, 31, 70})
        EXPECT_LE(error_of(3, rows, out, columns), kFloatError)
            << rows << " " << out << " " << columns;
}

TEST_P(Packed, OnePartIsABfloat16) {
  if (!kernels::multiplies_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  for (const int64_t columns : depths(GetParam())) {
    for (const int64_t rows : {1, 15, 16, 33, 50}) {
      const double error = error_of(1, rows, 70, columns);
      EXPECT_LE(error, 0.008) << columns;  // both factors rounded: 2^-8 + 2^-8
      EXPECT_GE(error, 1e-5) << columns;   // and not more than that is computed
      if (kernels::in_strips(GetParam())) {
        EXPECT_EQ(error_of(1, rows, 70, columns, true), error) << columns;
      }
    }
  }
}

// The packed product is read back by a matrix of ones and zeros.
TEST_P(Packed, GatedProductIsPackedForTheNext) {
  if (!kernels::multiplies_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  constexpr int64_t kOut = 96;
  std::vector<float> identity(kOut * kOut, 0.0f);
  for (int64_t i = 0; i < kOut; ++i) identity[i * kOut + i] = 1.0f;
  const kernels::Rows as_it_is{reinterpret_cast<const std::byte*>(identity.data()), kOut * 4,
                               DType::kF32};
  const int64_t columns = depths(GetParam()).front();
  const Stored stored(GetParam(), 2 * kOut, columns);
  const auto bias = random_floats(2 * kOut, 3);
  for (const int parts : {1, 3}) {
    if (parts == 3 && !kernels::has_amx()) continue;
    for (const int64_t rows : {1, 16, 33, 70}) {
      const auto x = random_floats(rows * columns, 2);
      std::vector<uint16_t> packed(static_cast<size_t>(kernels::packed_size(rows, columns, parts)) +
                                   32);
      const kernels::PackedRows packed_x{aligned(packed), rows, columns, parts};
      kernels::pack_rows(x.data(), columns, packed_x, 0, (rows + 15) / 16, aligned(packed));
      std::vector<uint16_t> product(static_cast<size_t>(kernels::packed_size(rows, kOut, parts)) +
                                    32);
      const int64_t widest = std::max(columns, kOut);
      std::vector<uint16_t> scratch(
          static_cast<size_t>(kernels::panel_scratch_size({nullptr, 0, widest, parts})) + 32);
      const kernels::PackedGatedArgs gated{packed_x, stored.rows(), kOut, bias.data(),
                                           aligned(product)};
      kernels::packed_gated(gated, 0, 1, aligned(scratch));
      kernels::packed_gated(gated, 1, kOut / kernels::kGatedPanel, aligned(scratch));
      std::vector<float> y(static_cast<size_t>(rows * kOut));
      kernels::packed_linear(
          {{aligned(product), rows, kOut, parts}, as_it_is, kOut, nullptr, y.data(), kOut}, 0,
          kOut / kernels::kPanel, aligned(scratch));
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t o = 0; o < kOut; ++o) {
          double sums[2] = {bias[o], bias[kOut + o]}, magnitudes[2] = {};
          for (int64_t i = 0; i < 2 * columns; ++i) {
            const int64_t row = i < columns ? o : kOut + o;
            const double term =
                double{x[r * columns + i % columns]} * stored.floats[row * columns + i % columns];
            sums[i / columns] += term;
            magnitudes[i / columns] += std::abs(term);
          }
          const double wanted = sums[0] / (1 + std::exp(-sums[0])) * sums[1];
          const double relative = parts == 1 ? 0.008 : 1e-6;  // as of a single product
          EXPECT_NEAR(y[r * kOut + o], wanted,
                      relative * (std::abs(wanted) + 1.1 * magnitudes[0] * std::abs(sums[1]) +
                                  magnitudes[1] * std::abs(sums[0])));
        }
    }
  }
}

TEST_P(Kernels, ARowGivesTheSameBitsBesideOthers) {
  const int64_t out = 11, rows = 8;
  for (const int64_t columns : depths(GetParam())) {
    const Stored stored(GetParam(), out, columns);
    const auto x = random_floats(rows * columns, 2);
    const auto multiply = [&](int64_t first, int64_t count) {
      std::vector<float> y(static_cast<size_t>(count * out));
      kernels::linear(
          {&x[first * columns], columns, stored.rows(), nullptr, y.data(), out, count, columns}, 0,
          out);
      return y;
    };
    SCOPED_TRACE(columns);
    expect_same_bits_beside_others(multiply, rows, out);
  }
}

TEST(KernelActivations, AreThoseOfDoubles) {
  std::vector<float> x = {-120.0f, -88.0f, -20.0f, -1.0f, -1e-4f, 0.0f, 1e-4f, 0.7f, 3.0f, 100.0f};
  const auto random = random_floats(27, 4);
  x.insert(x.end(), random.begin(), random.end());
  std::vector<float> silu(x.size()), gelu(x.size());
  kernels::silu(x.data(), static_cast<int64_t>(x.size()), silu.data());
  kernels::gelu_tanh(x.data(), static_cast<int64_t>(x.size()), gelu.data());
  for (size_t i = 0; i < x.size(); ++i) {
    const double v = x[i];
    const double tolerance = 1e-35 + 4e-7 * std::abs(v);
    EXPECT_NEAR(silu[i], v / (1 + std::exp(-v)), tolerance) << v;
    const double u = std::sqrt(2 / std::acos(-1.0)) * (v + 0.044715 * v * v * v);
    EXPECT_NEAR(gelu[i], v * (1 + std::tanh(u)) / 2, tolerance) << v;
  }
}

TEST(KernelAttention, SoftmaxIsThatOfDoubles) {
  for (const int64_t count : {1, 15, 16, 17, 40}) {
    auto scores = random_floats(count + 16, 5);
    const auto before = scores, bias = random_floats(count, 6);
    kernels::softmax(scores.data(), count, 3.0f, bias.data());
    double sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += std::exp(3.0 * before[i] + bias[i]);
    for (int64_t i = 0; i < count; ++i)
      EXPECT_NEAR(scores[i], std::exp(3.0 * before[i] + bias[i]) / sum, 1e-6);
    EXPECT_EQ(scores[count + 15], before[count + 15]);
  }
}

// Blocks lie anywhere; a window begins within one.
TEST(KernelAttention, OverBlocksIsThatOfDoubles) {
  constexpr int64_t kTokens = 8, kBlocks = 6;
  const std::vector<int32_t> blocks = {4, 1, 5, 0};
  for (const DType dtype : {DType::kF32, DType::kBF16})
    for (const int64_t size : {7, 16, 72}) {
      const Stored keys(dtype, kBlocks * kTokens, size), values(dtype, kBlocks * kTokens, size);
      const int64_t row_bytes = kernels::row_bytes(dtype, size);
      const kernels::CachedHead head{keys.rows().data, values.rows().data,  dtype,
                                     blocks.data(),    kTokens * row_bytes, kTokens};
      constexpr int64_t kHeads = 7, kBias = 33;
      const auto q = random_floats(kHeads * size, 3), bias = random_floats(kHeads * kBias, 4);
      for (const auto& [first, count, heads] :
           {std::tuple<int64_t, int64_t, int64_t>{0, 1, 1}, {0, 32, 7}, {5, 20, 3}, {9, 3, 2}}) {
        std::vector<float> scores(static_cast<size_t>(heads * kernels::attend_scores(count)));
        std::vector<float> out(static_cast<size_t>(heads * size));
        kernels::attend({q.data(), heads, head, first, count, size, 0.3f, bias.data(), kBias,
                         scores.data(), out.data()});
        for (int64_t h = 0; h < heads; ++h) {
          std::vector<double> weights, expected(static_cast<size_t>(size));
          double total = 0;
          const auto row_of = [&, first = first](int64_t i) {
            return (blocks[(first + i) / kTokens] * kTokens + (first + i) % kTokens) * size;
          };
          for (int64_t i = 0; i < count; ++i) {
            double dot = 0;
            for (int64_t d = 0; d < size; ++d)
              dot += double{q[h * size + d]} * keys.floats[row_of(i) + d];
            weights.push_back(std::exp(0.3 * dot + bias[h * kBias + i]));
            total += weights.back();
          }
          for (int64_t i = 0; i < count; ++i)
            for (int64_t d = 0; d < size; ++d)
              expected[d] += weights[i] / total * values.floats[row_of(i) + d];
          for (int64_t d = 0; d < size; ++d)
            EXPECT_NEAR(out[h * size + d], expected[d], 1e-5) << size << " " << count << " " << h;
          // Alone, a head gives the same to the last bit.
          std::vector<float> alone(static_cast<size_t>(size));
          kernels::attend({&q[h * size], 1, head, first, count, size, 0.3f, &bias[h * kBias], 0,
                           scores.data(), alone.data()});
          EXPECT_TRUE(std::equal(alone.begin(), alone.end(), &out[h * size]));
        }
      }
    }
}

TEST(KernelRows, RoundToBfloat16) {
  const float inf = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, uint16_t>> cases = {
      {1.0f, 0x3f80},        {-2.5f, 0xc020}, {1.00390625f, 0x3f80},  // half way: to the even one
      {1.01171875f, 0x3f82},                                          // half way, upwards
      {1.0040f, 0x3f81},     {inf, 0x7f80},   {-inf, 0xff80},
      {3.4e38f, 0x7f80},     {0.0f, 0x0000}};
  for (const auto& [value, expected] : cases) {
    uint16_t actual = 0;
    kernels::round_to_bf16(&value, 1, &actual);
    EXPECT_EQ(actual, expected) << value;
  }
  const float nan = std::numeric_limits<float>::quiet_NaN();
  uint16_t actual = 0;
  kernels::round_to_bf16(&nan, 1, &actual);
  EXPECT_EQ(actual & 0x7fc0, 0x7fc0);
}

TEST(KernelRows, RefuseWhatTheyCannotRead) {
  EXPECT_FALSE(kernels::can_read(DType::kF64, 32));
  EXPECT_FALSE(kernels::can_read(DType::kQ5_0, 32));
  EXPECT_FALSE(kernels::can_read(DType::kQ8_0, 33));
  EXPECT_FALSE(kernels::can_read(DType::kQ4_K, 128));
}

}  // namespace
}  // namespace mm_orch::testing
