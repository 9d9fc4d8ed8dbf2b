// Products in int8: every type, every remainder, both widths of vectors that there are.
#include <functional>

#include "kernels/int8_tile.h"
#include "stored.h"

namespace mm_orch::testing {
namespace {

constexpr DType kTypes[] = {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,
                            DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};
constexpr int64_t kGroup = 32;

using kernels::Int8Group;

std::vector<Int8Group> rounded(const std::vector<float>& x) {
  std::vector<Int8Group> groups(x.size() / kGroup);
  kernels::to_int8(x.data(), static_cast<int64_t>(x.size()), groups.data());
  return groups;
}

std::vector<float> floats_of(const std::vector<Int8Group>& groups) {
  std::vector<float> x;
  for (const auto& group : groups)
    for (int i = 0; i < kGroup; ++i) {
      const int high = i / 4 == group.large ? group.high[i % 4] : 0;
      x.push_back(group.scale * static_cast<float>(group.values[i] + 128 * high));
    }
  return x;
}

// As a model's activations have them, some are far larger than the others.
std::vector<float> with_outliers(int64_t count, unsigned seed) {
  auto x = random_floats(count, seed);
  std::mt19937 random(seed);
  for (auto& value : x)
    if (random() % 40 == 0) value *= 50.0f;
  return x;
}

TEST(Int8, RoundsToTheLargestOfTheOthers) {
  if (!kernels::has_vnni()) GTEST_SKIP() << "this processor has no VNNI";
  auto x = with_outliers(20 * kGroup, 2);
  std::fill(x.begin() + kGroup, x.begin() + 2 * kGroup, 0.0f);
  for (int i = 2 * kGroup; i < 3 * kGroup; ++i) x[i] *= 1e-30f;
  std::fill(x.begin() + 3 * kGroup, x.begin() + 4 * kGroup, 0.0f);
  x[3 * kGroup + 5] = -3.0f;  // alone
  x[4 * kGroup + 31] = 1e6f;  // beyond 15 bits of the others' scale
  const auto groups = rounded(x);
  const auto back = floats_of(groups);
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto& group = groups[g];
    std::vector<float> largest(8, 0.0f);
    double sum = 0, magnitude = 0;
    int whole = 0, first_half = 0;
    for (size_t i = 0; i < kGroup; ++i) {
      const float element = x[g * kGroup + i];
      largest[i / 4] = std::max(largest[i / 4], std::abs(element));
      EXPECT_NEAR(back[g * kGroup + i], element, 0.501 * group.scale) << g << " " << i;
      sum += back[g * kGroup + i];
      magnitude += std::abs(back[g * kGroup + i]);
      const int high = static_cast<int>(i) / 4 == group.large ? group.high[i % 4] : 0;
      whole += group.values[i] + 128 * high;
      if (i < kGroup / 2) first_half = whole;
    }
    EXPECT_EQ(group.minus_sum, -whole) << g;
    EXPECT_EQ(group.minus_half, -first_half) << g;
    EXPECT_NEAR(group.sum, sum, 1e-6 * magnitude + 1e-30) << g;
    const float of_all = *std::max_element(largest.begin(), largest.end());
    EXPECT_EQ(largest[group.large], of_all) << g;
    std::sort(largest.begin(), largest.end());
    EXPECT_NEAR(group.scale,
                std::max({largest[6] / 127.0f, largest[7] / (127.0f * 128.0f), 1e-30f}),
                1e-5 * group.scale)
        << g;
  }
}

TEST(Int8, WhatIsNoNumberStaysNone) {
  if (!kernels::has_vnni()) GTEST_SKIP() << "this processor has no VNNI";
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()})
    for (const int at : {0, 17, 31}) {
      auto x = random_floats(kGroup, 2);
      x[at] = bad;
      EXPECT_FALSE(std::isfinite(rounded(x)[0].scale)) << bad << " " << at;
    }
}

class Int8Types : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(kernels::in_strips(GetParam()));
    if (!kernels::has_vnni()) GTEST_SKIP() << "this processor has no VNNI";
  }
};

INSTANTIATE_TEST_SUITE_P(Types, Int8Types, ::testing::ValuesIn(kTypes), type_name);

TEST_P(Int8Types, StripsAreWhatTheWeightsReaderSays) {
  for (const int64_t columns : depths(GetParam())) {
    const Stored stored(GetParam(), 37, columns);
    const InStrips in_strips(stored);
    std::vector<float> actual(static_cast<size_t>(columns));
    for (const int64_t row : {0, 1, 15, 16, 31, 36}) {
      kernels::expand(in_strips.strips, row, columns, actual.data());
      EXPECT_EQ(std::memcmp(actual.data(), &stored.floats[row * columns], actual.size() * 4), 0)
          << columns << " " << row;
    }
  }
}

using Multiply = std::function<void(const kernels::Int8Args&, int64_t, int64_t)>;

// Those of 8 floats, which a processor with VNNI for AVX2 alone takes.
__attribute__((target("arch=x86-64-v4,avx512vnni"))) void in_eights(const kernels::Int8Args& args,
                                                                    int64_t first, int64_t last) {
  kernels::int8_linear_body<8, 2>(args, first, last);
}

std::vector<Multiply> widths() {
  std::vector<Multiply> all = {kernels::int8_linear};
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl"))
    all.emplace_back(in_eights);
  return all;
}

// (first, count) gives the products of these rows of x, without a bias: [count, out].
auto product_of(const Multiply& multiply, const std::vector<Int8Group>& x,
                const kernels::Strips& weight, int64_t columns, int64_t out) {
  return [=, &x](int64_t first, int64_t count) {
    std::vector<float> y(static_cast<size_t>(count * out));
    multiply({&x[first * columns / kGroup], weight, nullptr, y.data(), out, count, columns, out}, 0,
             kernels::strips_of(out));
    return y;
  };
}

TEST_P(Int8Types, LinearIsASumOverRoundedX) {
  const int64_t out = 37;
  const auto bias = random_floats(out, 3);
  for (const int64_t columns : depths(GetParam())) {
    const Stored stored(GetParam(), out, columns);
    const InStrips in_strips(stored);
    for (const int64_t rows : {1, 2, 3, 4, 5, 7, 8, 9, 23, 43}) {
      const auto x = rounded(with_outliers(rows * columns, 2));
      const auto x_floats = floats_of(x);
      for (const auto& multiply : widths()) {
        std::vector<float> y(static_cast<size_t>(rows * 39), -1.0f);
        const kernels::Int8Args args{x.data(), in_strips.strips, bias.data(), y.data(), 39,
                                     rows,     columns,          out};
        multiply(args, 0, 1);
        multiply(args, 1, 3);
        Worst worst;
        for (int64_t r = 0; r < rows; ++r) {
          for (int64_t o = 0; o < out; ++o)
            worst.add(y[r * 39 + o], &x_floats[r * columns], &stored.floats[o * columns], columns,
                      bias[o]);
          EXPECT_EQ(y[r * 39 + out], -1.0f);  // nothing beyond its columns
        }
        EXPECT_LE(worst.error, kFloatError) << columns << " " << rows;
      }
    }
  }
}

TEST_P(Int8Types, GatedProductIsRoundedForTheNext) {
  constexpr int64_t kOut = 96;
  const int64_t columns = depths(GetParam()).back();
  const Stored stored(GetParam(), 2 * kOut, columns);
  const InStrips in_strips(stored);
  const auto bias = random_floats(2 * kOut, 3);
  for (const int64_t rows : {1, 9, 41}) {
    const auto x = rounded(with_outliers(rows * columns, 2));
    std::vector<float> gate_up(static_cast<size_t>(rows * 2 * kOut));
    kernels::int8_linear({x.data(), in_strips.strips, bias.data(), gate_up.data(), 2 * kOut, rows,
                          columns, 2 * kOut},
                         0, 2 * kOut / kernels::kStripRows);
    std::vector<Int8Group> y(static_cast<size_t>(rows * kOut / kGroup));
    const kernels::Int8GatedArgs args{x.data(), in_strips.strips, bias.data(), y.data(),
                                      rows,     columns,          kOut};
    kernels::int8_gated(args, 0, 1);
    kernels::int8_gated(args, 1, kOut / kGroup);
    const auto actual = floats_of(y);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t o = 0; o < kOut; ++o) {
        const double gate = gate_up[r * 2 * kOut + o], up = gate_up[r * 2 * kOut + kOut + o];
        const double wanted = gate / (1 + std::exp(-gate)) * up;
        EXPECT_NEAR(actual[r * kOut + o], wanted,
                    0.501 * y[(r * kOut + o) / kGroup].scale + 1e-6 * std::abs(wanted));
      }
  }
}

// Many rows take strips in blocks, and those that are left over.
TEST_P(Int8Types, ManyRowsGiveTheBitsOfEach) {
  const int64_t columns = 3072, out = 196, rows = 33;
  const Stored stored(GetParam(), out, columns);
  const InStrips in_strips(stored);
  ASSERT_GT(kernels::strips_of(out), kernels::strips_at_once(rows, in_strips.strips.strip_bytes));
  const auto x = rounded(with_outliers(rows * columns, 2));
  for (const auto& multiply : widths()) {
    const auto product = product_of(multiply, x, in_strips.strips, columns, out);
    const auto all = product(0, rows);
    for (const int64_t row : {0, 7, 8, 31, 32})
      EXPECT_EQ(std::memcmp(&all[row * out], product(row, 1).data(), out * sizeof(float)), 0)
          << row;
  }
}

TEST_P(Int8Types, ManyRowsOfAGatedProductGiveTheBitsOfEach) {
  const int64_t columns = 1536, out = 128, rows = 33;
  const Stored stored(GetParam(), 2 * out, columns);
  const InStrips in_strips(stored);
  const auto x = rounded(with_outliers(rows * columns, 2));
  const auto product = [&](int64_t first, int64_t count) {
    std::vector<Int8Group> y(static_cast<size_t>(count * out / kGroup));
    kernels::int8_gated(
        {&x[first * columns / kGroup], in_strips.strips, nullptr, y.data(), count, columns, out}, 0,
        out / kGroup);
    return y;
  };
  const auto all = product(0, rows);
  for (const int64_t row : {0, 8, 31, 32}) {
    const auto one = product(row, 1);
    EXPECT_EQ(std::memcmp(&all[row * out / kGroup], one.data(), one.size() * sizeof(Int8Group)), 0)
        << row;
  }
}

TEST_P(Int8Types, ARowGivesTheSameBitsBesideOthers) {
  const int64_t out = 37, rows = 35;
  for (const int64_t columns : depths(GetParam())) {
    const Stored stored(GetParam(), out, columns);
    const InStrips in_strips(stored);
    const auto x = rounded(with_outliers(rows * columns, 2));
    for (const auto& width : widths()) {
      SCOPED_TRACE(columns);
      expect_same_bits_beside_others(product_of(width, x, in_strips.strips, columns, out), rows,
                                     out);
    }
  }
}

TEST(Int8, RoundsFloatsToQ8_0) {
  auto x = random_floats(96, 9);
  std::fill(x.begin() + 32, x.begin() + 64, 0.0f);
  for (int i = 64; i < 96; ++i) x[i] *= 1e-6f;  // a subnormal scale
  std::vector<std::byte> blocks(3 * 34);
  kernels::to_q8_0(x.data(), 96, blocks.data());
  const auto floats = weights::read_f32({"w", DType::kQ8_0, {1, 96}, blocks, nullptr, 0});
  for (int i = 0; i < 96; ++i) {
    const int first = i / 32 * 32;
    const float largest =
        std::abs(*std::max_element(x.begin() + first, x.begin() + first + 32,
                                   [](float a, float b) { return std::abs(a) < std::abs(b); }));
    // Half a step, and as much as the largest is beyond 127 rounded scales.
    EXPECT_NEAR(floats[i], x[i], largest * 0.0045f + 4e-6f * (i >= 64)) << i;
  }
}

}  // namespace
}  // namespace mm_orch::testing
