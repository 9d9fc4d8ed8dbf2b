#include "weight_store.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <span>

#include "base/mapped_file.h"
#include "graph/weight_reader.h"
#include "kernels/int8.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {
namespace {

constexpr int64_t kAlignment = 64;

// Huge pages save 5 to 10% of a token's time: a token reads every weight once.
std::shared_ptr<std::byte> allocate(size_t bytes) {
  void* address =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  ::madvise(address, bytes, MADV_HUGEPAGE);
  return {static_cast<std::byte*>(address), [bytes](std::byte* p) { ::munmap(p, bytes); }};
}

bool is_vector(const graph::Weight& weight) { return weight.shape.size() == 1; }

// The type that matrices of floats become; empty: they stay what they are.
using Rounding = std::optional<DType>;

// The type in which a part of a weight is held.
DType held_type(const graph::Weight& weight, const weights::Tensor& part, Rounding rounding) {
  if (is_vector(weight)) return DType::kF32;
  const bool plain = dtype_info(part.dtype).block_elements == 1;
  const bool readable =
      kernels::can_read(part.dtype, graph::column_count(weight)) && (plain || !weight.transposed);
  const DType type = readable ? part.dtype : DType::kF32;
  if (!rounding || !kernels::can_read(*rounding, graph::column_count(weight))) return type;
  const bool rounds =
      *rounding == DType::kBF16 ? type == DType::kF32 : dtype_info(type).block_elements == 1;
  return rounds ? *rounding : type;
}

// Parts of one type that lie one under the other, or a part alone.
struct Range {
  size_t first_part = 0, last_part = 0;  // [first, last)
  int64_t first_row = 0, rows = 0;
  DType type = DType::kF32;
  bool in_strips = false;
};

std::vector<Range> ranges_of(const graph::Weight& weight, Rounding rounding) {
  if (is_vector(weight)) return {{0, weight.parts.size(), 0, 1, DType::kF32}};
  const bool for_int8 = rounding == DType::kQ8_0;
  if (weight.transposed) {
    const DType type = held_type(weight, weight.parts[0], rounding);
    return {{0, 1, 0, weight.shape[0], type, for_int8 && kernels::in_strips(type)}};
  }
  std::vector<Range> ranges;
  int64_t row = 0;
  for (size_t i = 0; i < weight.parts.size(); ++i) {
    const auto& part = weight.parts[i];
    const DType type = held_type(weight, part, rounding);
    if (ranges.empty() || ranges.back().type != type)
      ranges.push_back({i, i, row, 0, type, for_int8 && kernels::in_strips(type)});
    ranges.back().last_part = i + 1;
    ranges.back().rows += part.rows();
    row += part.rows();
  }
  return ranges;
}

// True if it lies in memory as its rows are to be.
bool lies_as_needed(const graph::Weight& weight, const Range& range) {
  if (range.last_part - range.first_part != 1 || weight.transposed) return false;
  const auto& part = weight.parts[range.first_part];
  const auto alignment = static_cast<uintptr_t>(range.type == DType::kF32 ? alignof(float) : 1);
  return part.dtype == range.type && part.interleaved_head_size == 0 &&
         reinterpret_cast<uintptr_t>(part.data.data()) % alignment == 0;
}

bool usable_in_place(const graph::Weight& weight, const Range& range) {
  return !range.in_strips && lies_as_needed(weight, range);
}

// Rows as they are stored.
void copy_stored(const graph::Weight& weight, const Range& range, std::byte* out) {
  const auto bytes =
      static_cast<size_t>(kernels::row_bytes(range.type, graph::column_count(weight)));
  for (size_t i = range.first_part; i < range.last_part; ++i) {
    const auto& part = weight.parts[i];
    parallel_for(part.rows(), 256, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        std::memcpy(out + static_cast<size_t>(r) * bytes,
                    part.data.data() + static_cast<size_t>(weights::stored_row(part, r)) * bytes,
                    bytes);
    });
    out += static_cast<size_t>(part.rows()) * bytes;
  }
}

// A matrix [out, in] of 16-bit numbers out of one stored as [in, out].
void copy_transposed(const weights::Tensor& stored, std::byte* out) {
  constexpr int64_t kTile = 32;  // so that reads and writes stay within a few cache lines
  const int64_t in = stored.rows();
  const int64_t width = stored.row_elements();
  parallel_for(width, kTile, [&](int64_t first, int64_t last) {
    for (int64_t i = 0; i < in; i += kTile)
      for (int64_t row = first; row < last; ++row)
        for (int64_t k = i; k < std::min(in, i + kTile); ++k)
          std::memcpy(out + 2 * (row * in + k), stored.data.data() + 2 * (k * width + row), 2);
  });
}

// Through float32.
void convert(const graph::Weight& weight, const Range& range, std::byte* out) {
  const int64_t columns = graph::column_count(weight);
  parallel_for(range.rows, 256, [&](int64_t first, int64_t last) {
    const auto size = [&](int64_t rows) { return static_cast<size_t>(rows * columns); };
    if (range.type == DType::kF32) {
      auto* floats = reinterpret_cast<float*>(out) + first * columns;
      graph::read_rows(weight, range.first_row + first, last - first, {floats, size(last - first)});
      return;
    }
    const int64_t rows_at_once = weight.transposed ? last - first : 64;
    std::vector<float> floats;
    for (int64_t row = first; row < last; row += rows_at_once) {
      const int64_t rows = std::min(rows_at_once, last - row);
      floats.resize(size(rows));
      graph::read_rows(weight, range.first_row + row, rows, floats);
      std::byte* target = out + row * kernels::row_bytes(range.type, columns);
      if (range.type == DType::kQ8_0)
        kernels::to_q8_0(floats.data(), rows * columns, target);
      else
        kernels::round_to_bf16(floats.data(), rows * columns, reinterpret_cast<uint16_t*>(target));
    }
  });
}

void read_rows(const graph::Weight& weight, const Range& range, std::byte* out) {
  const auto& first = weight.parts[range.first_part];
  const bool as_stored =
      std::all_of(weight.parts.begin() + static_cast<std::ptrdiff_t>(range.first_part),
                  weight.parts.begin() + static_cast<std::ptrdiff_t>(range.last_part),
                  [&](const weights::Tensor& part) { return part.dtype == range.type; });
  if (!as_stored || is_vector(weight)) return convert(weight, range, out);
  if (!weight.transposed) return copy_stored(weight, range, out);
  if (range.type == DType::kF32) return convert(weight, range, out);
  copy_transposed(first, out);
}

int64_t bytes_of_rows(const graph::Weight& weight, const Range& range) {
  return range.rows * kernels::row_bytes(range.type, graph::column_count(weight));
}

int64_t held_bytes(const graph::Weight& weight, const Range& range) {
  if (!range.in_strips) return bytes_of_rows(weight, range);
  return kernels::strips_of(range.rows) *
         kernels::strip_bytes(range.type, graph::column_count(weight));
}

void fill(const graph::Weight& weight, const Range& range, std::byte* out) {
  if (!range.in_strips) return read_rows(weight, range, out);
  const int64_t columns = graph::column_count(weight);
  std::vector<std::byte> buffer;
  const std::byte* rows = weight.parts[range.first_part].data.data();
  if (!lies_as_needed(weight, range)) {
    buffer.resize(static_cast<size_t>(bytes_of_rows(weight, range)));
    read_rows(weight, range, buffer.data());
    rows = buffer.data();
  }
  const kernels::Rows stored{rows, kernels::row_bytes(range.type, columns), range.type};
  parallel_for(kernels::strips_of(range.rows), 4, [&](int64_t first, int64_t last) {
    kernels::to_strips(stored, range.rows, columns, first, last, out);
  });
}

kernels::StoredWeight stored_weight(const graph::Weight& weight, const Range& range,
                                    const std::byte* data) {
  const int64_t columns = graph::column_count(weight);
  if (range.in_strips)
    return kernels::Strips{data, kernels::strip_bytes(range.type, columns), range.type};
  return kernels::Rows{data, kernels::row_bytes(range.type, columns), range.type};
}

// Embeddings that no Linear reads are looked up row by row: to round them saves nothing.
std::vector<Rounding> roundings_of(const graph::Graph& graph, Precision precision) {
  if (precision == Precision::kBF16)
    return std::vector<Rounding>(graph.weights.size(), DType::kBF16);
  std::vector<Rounding> roundings(graph.weights.size());
  if (precision != Precision::kINT8) return roundings;
  for (const auto& node : graph.nodes)
    if (const auto* linear = std::get_if<graph::Linear>(&node.op))
      roundings[linear->weight] = DType::kQ8_0;
  return roundings;
}

int64_t aligned(int64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

WeightStore::WeightStore(const graph::Graph& graph, Precision precision) : precision_(precision) {
  const auto roundings = roundings_of(graph, precision);
  std::vector<std::vector<Range>> ranges;
  int64_t to_read = 0;
  for (size_t i = 0; i < graph.weights.size(); ++i) {
    const auto& weight = graph.weights[i];
    ranges.push_back(ranges_of(weight, roundings[i]));
    for (const auto& range : ranges.back())
      if (!usable_in_place(weight, range)) to_read += aligned(held_bytes(weight, range));
  }
  std::shared_ptr<std::byte> block;
  if (to_read > 0) owners_.push_back(block = allocate(static_cast<size_t>(to_read)));

  std::byte* next = block.get();
  for (size_t i = 0; i < graph.weights.size(); ++i) {
    const auto& weight = graph.weights[i];
    Matrix matrix{graph::row_count(weight), graph::column_count(weight), {}};
    for (const auto& range : ranges[i]) {
      const std::byte* data = next;
      if (usable_in_place(weight, range)) {
        data = weight.parts[range.first_part].data.data();
        owners_.push_back(weight.parts[range.first_part].owner);
      } else {
        fill(weight, range, next);
        for (size_t part = range.first_part; part < range.last_part; ++part)
          MappedFile::release(weight.parts[part].data);
        next += aligned(held_bytes(weight, range));
      }
      matrix.ranges.push_back({range.first_row, range.rows, stored_weight(weight, range, data)});
      bytes_ += static_cast<uint64_t>(held_bytes(weight, range));
    }
    matrices_.push_back(std::move(matrix));
  }
}

const float* WeightStore::vector(graph::WeightId id) const {
  return reinterpret_cast<const float*>(
      std::get<kernels::Rows>(matrices_[id].ranges[0].weight).data);
}

}  // namespace mm_orch::torch_backend
