#include "weights/tensor.h"

#include <fmt/format.h>

#include "mm_orch/errors.h"
#include "weights/block_decoding.h"

namespace mm_orch::weights {
namespace {

// `width` values a row.
void check_rows(const Tensor& tensor, int64_t first_row, int64_t row_count, int64_t width,
                size_t room) {
  if (first_row < 0 || row_count < 0 || row_count > tensor.rows() - first_row)
    throw InvalidInputError(fmt::format("Tensor '{}' has {} rows; {} from row {} were asked for",
                                        tensor.name, tensor.rows(), row_count, first_row));
  if (room != static_cast<size_t>(row_count * width))
    throw InvalidInputError(fmt::format("{} rows of tensor '{}' are {} values; room is for {}",
                                        row_count, tensor.name, row_count * width, room));
}

}  // namespace

int64_t Tensor::rows() const { return shape.empty() ? 1 : shape.front(); }

int64_t Tensor::row_elements() const {
  int64_t elements = 1;
  for (size_t axis = 1; axis < shape.size(); ++axis) elements *= shape[axis];
  return elements;
}

int64_t stored_row(const Tensor& tensor, int64_t row) {
  const int64_t head_size = tensor.interleaved_head_size;
  if (head_size == 0) return row;
  const int64_t half = head_size / 2;
  const int64_t head_start = row / head_size * head_size;
  const int64_t position = row % head_size;
  return head_start + (position < half ? 2 * position : 2 * (position - half) + 1);
}

int grid_bits(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
      return 8;
    case DType::kQ4_0:
    case DType::kQ4_1:
    case DType::kQ4_K:
      return 4;
    default:
      return 0;
  }
}

void read_grids(const Tensor& tensor, int64_t first_row, int64_t row_count, std::span<Grid> out) {
  const int64_t width = tensor.row_elements() / kGridElements;
  check_rows(tensor, first_row, row_count, width, out.size());
  for (int64_t i = 0; i < row_count; ++i)
    decode_grids(tensor.dtype, tensor.data.data(), stored_row(tensor, first_row + i) * width, width,
                 out.data() + i * width);
}

void read_f32(const Tensor& tensor, int64_t first_row, int64_t row_count, std::span<float> out) {
  const int64_t width = tensor.row_elements();
  check_rows(tensor, first_row, row_count, width, out.size());
  if (out.empty()) return;  // rows without elements may be claimed in any number
  if (tensor.interleaved_head_size == 0) {
    decode_elements(tensor.dtype, tensor.data.data(), first_row * width, row_count * width,
                    out.data());
    return;
  }
  for (int64_t i = 0; i < row_count; ++i)
    decode_elements(tensor.dtype, tensor.data.data(), stored_row(tensor, first_row + i) * width,
                    width, out.data() + i * width);
}

std::vector<float> read_f32(const Tensor& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.rows() * tensor.row_elements()));
  read_f32(tensor, 0, tensor.rows(), out);
  return out;
}

}  // namespace mm_orch::weights
