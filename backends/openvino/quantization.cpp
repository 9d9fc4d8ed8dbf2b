#include "quantization.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <functional>
#include <mutex>
#include <openvino/core/type/float16.hpp>
#include <system_error>
#include <thread>
#include <vector>

#include "graph/weight_reader.h"

namespace mm_orch::openvino {
namespace {

constexpr int64_t kBlockElements = 1 << 18;  // 1 MB of f32: stays in the caches
constexpr unsigned kThreads = 2;             // more gains nothing: reading is bound by memory

using BlockFunction = std::function<void(int64_t first_row, std::span<const float> rows)>;

// Hands the rows of a matrix to `use`, block by block, from several threads. A transposed matrix
// is one block: each block of it would cost a pass over the whole.
void for_row_blocks(const graph::Weight& weight, const BlockFunction& use) {
  const int64_t rows = graph::row_count(weight);
  const int64_t columns = graph::column_count(weight);
  const int64_t block =
      weight.transposed ? rows : std::clamp<int64_t>(kBlockElements / columns, 1, rows);
  const int64_t blocks = (rows + block - 1) / block;
  std::atomic<int64_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    try {
      std::vector<float> buffer(static_cast<size_t>(block * columns));
      for (int64_t b; (b = next.fetch_add(1)) < blocks;) {
        const int64_t count = std::min(block, rows - b * block);
        const auto out = std::span(buffer).first(static_cast<size_t>(count * columns));
        graph::read_rows(weight, b * block, count, out);
        use(b * block, out);
      }
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
      next = blocks;
    }
  };
  std::vector<std::jthread> helpers;
  try {
    for (unsigned i = 1; i < std::min<int64_t>(kThreads, blocks); ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // no memory for a stack: this thread does it alone
  }
  work();
  helpers.clear();
  if (failure) std::rethrow_exception(failure);
}

void quantize_group(std::span<const float> weights, int8_t* values, float& scale) {
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::abs(weight));
  scale = largest / 127.0f;
  const float inverse = largest > 0 ? 127.0f / largest : 0.0f;
  for (size_t i = 0; i < weights.size(); ++i)
    values[i] = static_cast<int8_t>(std::lrintf(weights[i] * inverse));
}

ov::Shape shape_of(const graph::Weight& weight) {
  return ov::Shape(weight.shape.begin(), weight.shape.end());
}

}  // namespace

QuantizedMatrix quantize(const graph::Weight& weight, int64_t group_size, const MakeTensor& make) {
  const auto rows = static_cast<size_t>(graph::row_count(weight));
  const auto columns = static_cast<size_t>(graph::column_count(weight));
  const size_t group = group_size > 0 ? static_cast<size_t>(group_size) : columns;
  const size_t groups = columns / group;
  const bool grouped = groups > 1;
  QuantizedMatrix result{
      make(ov::element::i8, grouped ? ov::Shape{rows, groups, group} : ov::Shape{rows, columns}),
      make(ov::element::f32, grouped ? ov::Shape{rows, groups, 1} : ov::Shape{rows, 1})};
  auto* values = result.values.data<int8_t>();
  auto* scales = result.scales.data<float>();
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    const size_t first = static_cast<size_t>(first_row) * groups;
    for (size_t g = 0; g * group < block.size(); ++g)
      quantize_group(block.subspan(g * group, group), values + (first + g) * group,
                     scales[first + g]);
  });
  return result;
}

ov::Tensor to_half(const graph::Weight& weight, const MakeTensor& make) {
  ov::Tensor result = make(ov::element::f16, shape_of(weight));
  auto* half = result.data<ov::float16>();
  const int64_t columns = graph::column_count(weight);
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    std::transform(block.begin(), block.end(), half + first_row * columns,
                   [](float value) { return ov::float16(value); });
  });
  return result;
}

ov::Tensor to_float(const graph::Weight& weight, const MakeTensor& make) {
  ov::Tensor result = make(ov::element::f32, shape_of(weight));
  auto* values = result.data<float>();
  const int64_t columns = graph::column_count(weight);
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    std::copy(block.begin(), block.end(), values + first_row * columns);
  });
  return result;
}

}  // namespace mm_orch::openvino
