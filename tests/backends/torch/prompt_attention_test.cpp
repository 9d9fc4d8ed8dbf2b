// A prompt's attention in bfloat16 against sums in double over the rounded keys, values and
// queries.
#include "kernels/prompt_attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include "kernels/packed_linear.h"
#include "kernels/rows.h"

namespace mm_orch::testing {
namespace {

namespace kernels = torch_backend::kernels;

constexpr int64_t kBlock = kernels::kPromptKeys;

struct Bf16 {
  std::vector<uint16_t> stored;
  std::vector<double> values;
};

Bf16 random_bf16(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> floats(static_cast<size_t>(count));
  for (auto& value : floats) value = normal(random);
  Bf16 result;
  result.stored.resize(floats.size());
  kernels::round_to_bf16(floats.data(), count, result.stored.data());
  for (const uint16_t bits : result.stored)
    result.values.push_back(std::bit_cast<float>(uint32_t{bits} << 16));
  return result;
}

// Keys and values of one head in blocks that lie in reverse, NaN where there is no token.
struct Cache {
  int64_t keys, size;
  Bf16 k, v;
  std::vector<int32_t> blocks;
  std::vector<uint16_t> memory, transposed;

  Cache(int64_t count, int64_t head_size)
      : keys(count),
        size(head_size),
        k(random_bf16(count * head_size, 1)),
        v(random_bf16(count * head_size, 2)) {
    const int64_t used = (keys + kBlock - 1) / kBlock;
    memory.assign(static_cast<size_t>(2 * used * kBlock * size), 0x7fc0);
    transposed.assign(static_cast<size_t>(used * kBlock * size + 32), 0x7fc0);
    for (int64_t block = 0; block < used; ++block) {
      blocks.push_back(static_cast<int32_t>(used - 1 - block));
      uint16_t* target = &memory[blocks.back() * 2 * kBlock * size];
      const int64_t rows = std::min(kBlock, keys - block * kBlock);
      std::copy_n(&k.stored[block * kBlock * size], rows * size, target);
      std::copy_n(&v.stored[block * kBlock * size], rows * size, target + kBlock * size);
      kernels::transpose_values(reinterpret_cast<std::byte*>(target + kBlock * size), rows, size,
                                aligned(transposed) + block * kBlock * size);
    }
  }
  kernels::CachedHead head() const {
    const auto* bytes = reinterpret_cast<const std::byte*>(memory.data());
    return {bytes,         bytes + 2 * kBlock * size, DType::kBF16,
            blocks.data(), 4 * kBlock * size,         kBlock};
  }
  template <class T>
  static T* aligned(std::vector<T>& buffer) {
    return reinterpret_cast<T*>((reinterpret_cast<uintptr_t>(buffer.data()) + 63) / 64 * 64);
  }
};

struct Case {
  int64_t position;  // of the first query
  int64_t queries;
  int64_t window;
};
class PromptAttention : public ::testing::TestWithParam<Case> {};

std::string name_of(const ::testing::TestParamInfo<Case>& test) {
  const auto& [position, queries, window] = test.param;
  return "At" + std::to_string(position) + "Queries" + std::to_string(queries) + "Window" +
         std::to_string(window);
}

INSTANTIATE_TEST_SUITE_P(Cases, PromptAttention,
                         ::testing::Values(Case{0, 1, 0}, Case{0, 32, 0}, Case{0, 17, 0},
                                           Case{7, 16, 0}, Case{100, 32, 0}, Case{223, 32, 0},
                                           Case{224, 32, 0}, Case{255, 2, 0}, Case{256, 32, 0},
                                           Case{900, 31, 0}, Case{0, 32, 4}, Case{50, 32, 1},
                                           Case{300, 20, 33}, Case{700, 32, 300},
                                           Case{700, 32, 2000}),
                         name_of);

TEST_P(PromptAttention, IsASoftmaxOverTheKeysSeen) {
  if (!kernels::multiplies_bf16()) GTEST_SKIP() << "this processor has no products of bfloat16";
  const auto [position, queries, window] = GetParam();
  for (const int64_t size : {32, 64, 96, 128}) {
    Cache cache(position + queries, size);
    const Bf16 rounded = random_bf16(queries * size, 3);
    const int64_t stride = size + 5;
    std::vector<float> q(static_cast<size_t>(queries * stride)), y(q.size(), -7.0f);
    for (int64_t t = 0; t < queries; ++t)
      for (int64_t d = 0; d < size; ++d)
        q[t * stride + d] = static_cast<float>(rounded.values[t * size + d]);
    std::vector<float> scratch(static_cast<size_t>(kernels::prompt_scratch_size(size) + 16));
    kernels::attend_prompt({q.data(), stride, queries, position, cache.head(),
                            Cache::aligned(cache.transposed), size, window, 0.3f, y.data(), stride},
                           Cache::aligned(scratch));
    for (int64_t t = 0; t < queries; ++t) {
      const int64_t own = position + t;
      std::vector<double> sums(static_cast<size_t>(size));
      double total = 0;
      for (int64_t key = window > 0 ? std::max<int64_t>(0, own - window + 1) : 0; key <= own;
           ++key) {
        double dot = 0;
        for (int64_t d = 0; d < size; ++d)
          dot += rounded.values[t * size + d] * cache.k.values[key * size + d];
        const double weight = std::exp(0.3 * dot);
        total += weight;
        for (int64_t d = 0; d < size; ++d) sums[d] += weight * cache.v.values[key * size + d];
      }
      // Weights are rounded to 8 bits of mantissa.
      for (int64_t d = 0; d < size; ++d)
        ASSERT_NEAR(y[t * stride + d], sums[d] / total, 0.01) << size << " " << t << " " << d;
      EXPECT_EQ(y[t * stride + size], -7.0f);
    }
  }
}

}  // namespace
}  // namespace mm_orch::testing
