#include "graph/weight_reader.h"

#include <gtest/gtest.h>

#include <numeric>

#include "graph/builder.h"

namespace mm_orch::graph {
namespace {

// Values 0, 1, 2 ... offset by `first`.
weights::Tensor counting(const std::string& name, std::vector<int64_t> shape, float first) {
  size_t count = 1;
  for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
  auto data = std::make_shared<std::vector<float>>(count);
  std::iota(data->begin(), data->end(), first);
  return {name, DType::kF32, std::move(shape), std::as_bytes(std::span<const float>(*data)), data,
          0};
}

Weight packed() {
  return {"packed", {counting("a", {2, 3}, 0), counting("b", {3, 3}, 100)}, false, {5, 3}};
}

TEST(WeightReader, ReadsAcrossParts) {
  std::vector<float> rows(9);
  read_rows(packed(), 1, 3, rows);
  EXPECT_EQ(rows, (std::vector<float>{3, 4, 5, 100, 101, 102, 103, 104, 105}));
}

TEST(WeightReader, TransposesAnyBlockOfRows) {
  // Stored [40, 5]: logical row r is the column r.
  const Weight weight{"conv1d", {counting("w", {40, 5}, 0)}, true, {5, 40}};
  std::vector<float> rows(80);
  read_rows(weight, 2, 2, rows);
  for (int row = 0; row < 2; ++row)
    for (int i = 0; i < 40; ++i) EXPECT_EQ(rows[row * 40 + i], static_cast<float>(i * 5 + 2 + row));
}

TEST(WeightReader, JoinsVectors) {
  const Weight weight{"bias", {counting("a", {2}, 0), counting("b", {2}, 10)}, false, {4}};
  EXPECT_EQ(row_count(weight), 1);
  EXPECT_EQ(column_count(weight), 4);
  std::vector<float> row(4);
  read_rows(weight, 0, 1, row);
  EXPECT_EQ(row, (std::vector<float>{0, 1, 10, 11}));
}

TEST(WeightReader, RefusesRowsOutside) {
  std::vector<float> rows(6);
  EXPECT_THROW(read_rows(packed(), 4, 2, rows), std::logic_error);
  EXPECT_THROW(read_rows(packed(), 0, 1, rows), std::logic_error);
}

}  // namespace
}  // namespace mm_orch::graph
