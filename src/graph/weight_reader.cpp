#include "graph/weight_reader.h"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

namespace mm_orch::graph {
namespace {

// Stored rows read at a time while transposing, so that writes stay within a few cache lines.
constexpr int64_t kTransposeRows = 16;

void read_transposed_rows(const weights::Tensor& stored, int64_t first_row, int64_t rows,
                          std::span<float> out) {
  const int64_t in = stored.rows();
  const int64_t stored_row_size = stored.row_elements();
  std::vector<float> buffer(static_cast<size_t>(kTransposeRows * stored_row_size));
  for (int64_t column = 0; column < in; column += kTransposeRows) {
    const int64_t count = std::min(kTransposeRows, in - column);
    weights::read_f32(stored, column, count,
                      std::span(buffer).first(static_cast<size_t>(count * stored_row_size)));
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t i = 0; i < count; ++i)
        out[row * in + column + i] = buffer[i * stored_row_size + first_row + row];
  }
}

// A vector is one logical row made of whole parts.
void read_vector(const Weight& weight, std::span<float> out) {
  size_t offset = 0;
  for (const auto& part : weight.parts) {
    const auto count = static_cast<size_t>(part.shape[0]);
    weights::read_f32(part, 0, part.rows(), out.subspan(offset, count));
    offset += count;
  }
}

// Reads the rows part by part, each with `read(part, first row, rows, out)`; a row has `width`
// values.
template <class Value, class Read>
void read_parts(const Weight& weight, int64_t first_row, int64_t rows, int64_t width,
                std::span<Value> out, Read&& read) {
  int64_t part_start = 0;
  for (const auto& part : weight.parts) {
    const int64_t begin = std::max(first_row, part_start);
    const int64_t end = std::min(first_row + rows, part_start + part.rows());
    if (begin < end)
      read(part, begin - part_start, end - begin,
           out.subspan(static_cast<size_t>((begin - first_row) * width),
                       static_cast<size_t>((end - begin) * width)));
    part_start += part.rows();
  }
}

}  // namespace

int64_t row_count(const Weight& weight) { return weight.shape.size() == 1 ? 1 : weight.shape[0]; }

int64_t column_count(const Weight& weight) { return weight.shape.back(); }

void read_rows(const Weight& weight, int64_t first_row, int64_t rows, std::span<float> out) {
  if (first_row < 0 || rows < 0 || first_row + rows > row_count(weight) ||
      out.size() != static_cast<size_t>(rows * column_count(weight)))
    throw std::logic_error("read_rows: rows outside of " + weight.name);
  if (weight.shape.size() == 1) {
    if (rows == 1) read_vector(weight, out);
    return;
  }
  if (weight.transposed) {
    read_transposed_rows(weight.parts.front(), first_row, rows, out);
    return;
  }
  read_parts(weight, first_row, rows, column_count(weight), out,
             [](auto&&... part) { weights::read_f32(std::forward<decltype(part)>(part)...); });
}

int grid_bits(const Weight& weight) {
  const int bits = weights::grid_bits(weight.parts.front().dtype);
  const bool same = std::all_of(weight.parts.begin(), weight.parts.end(), [&](const auto& part) {
    return weights::grid_bits(part.dtype) == bits;
  });
  return same && !weight.transposed && weight.shape.size() == 2 ? bits : 0;
}

void read_grids(const Weight& weight, int64_t first_row, int64_t rows,
                std::span<weights::Grid> out) {
  read_parts(weight, first_row, rows, column_count(weight) / weights::kGridElements, out,
             [](auto&&... part) { weights::read_grids(std::forward<decltype(part)>(part)...); });
}

}  // namespace mm_orch::graph
