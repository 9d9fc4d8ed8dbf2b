#include "four_bits.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "graph/weight_reader.h"
#include "row_blocks.h"

namespace mm_orch::openvino {
namespace {

constexpr int kLevels = 15;
constexpr int kRanges = 8;  // tried: the whole range of a group, and less of it
constexpr float kRangeStep = 0.03f;
constexpr size_t kLanes = 8;  // partial sums, so that the loops vectorise
constexpr auto kGridGroup = static_cast<size_t>(weights::kGridElements);

struct GroupCode {
  float scale = 0;
  float zero_point = 0;
};

// To the nearest integer, for |x| < 2^22; std::rint does not vectorise on every x86-64.
inline float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

inline float code_of(float weight, float inverse, float zero_point) {
  return std::min(std::max(0.0f, nearest(weight * inverse) + zero_point), float{kLevels});
}

// The best scale for the codes that `inverse` gives, and by how much it lowers the squared error
// from that of zeros.
struct Fit {
  float scale;
  float gain;
};
Fit fit(std::span<const float> weights, float inverse, float zero_point) {
  std::array<float, kLanes> products{}, squares{};
  for (size_t i = 0; i < weights.size(); i += kLanes)
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float weight = weights[i + lane];
      const float value = code_of(weight, inverse, zero_point) - zero_point;
      products[lane] += weight * value;
      squares[lane] += value * value;
    }
  float product = 0, square = 0;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    product += products[lane];
    square += squares[lane];
  }
  return square > 0 ? Fit{product / square, product * product / square} : Fit{0, 0};
}

// `weights` has a multiple of kLanes.
GroupCode best_code(std::span<const float> weights) {
  const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
  const float low = std::min(*least, 0.0f);
  const float step = (std::max(*most, 0.0f) - low) / kLevels;
  if (!(step >= std::numeric_limits<float>::min())) return {};  // 1 / step is finite
  const float below = std::floor(-low / step);
  GroupCode best;
  float best_gain = 0;
  for (int range = 0; range < kRanges; ++range) {
    const float inverse = 1.0f / (step * (1.0f - kRangeStep * static_cast<float>(range)));
    for (const float zero_point : {below, std::min(below + 1, float{kLevels})}) {
      const Fit found = fit(weights, inverse, zero_point);
      if (!(found.gain > best_gain)) continue;
      best_gain = found.gain;
      best = {found.scale, zero_point};
    }
  }
  return best;
}

// Writes a matrix's groups by their number, row after row.
class Writer {
 public:
  Writer(FourBitMatrix& matrix, size_t group)
      : values_(static_cast<uint8_t*>(matrix.values.data())),
        zero_points_(matrix.zero_points ? matrix.zero_points.data<uint8_t>() : nullptr),
        scales_(matrix.scales.data<float>()),
        group_(group) {}

  // codes: 0 to 15, the low nibble of a byte first.
  void write(size_t index, std::span<const uint8_t> codes, const GroupCode& code) const {
    uint8_t* out = values_ + index * group_ / 2;
    const uint8_t flip = zero_points_ ? 0x00 : 0x88;  // q − 8 in two's complement
    for (size_t i = 0; i < group_; i += 2)
      out[i / 2] = static_cast<uint8_t>((codes[i] | codes[i + 1] << 4) ^ flip);
    if (zero_points_) zero_points_[index] = static_cast<uint8_t>(code.zero_point);
    scales_[index] = code.scale;
  }

  void write(size_t index, std::span<const float> weights, const GroupCode& code) const {
    const float inverse = code.scale != 0 ? 1.0f / code.scale : 0.0f;
    std::vector<uint8_t> codes(group_);
    for (size_t i = 0; i < group_; ++i)
      codes[i] = static_cast<uint8_t>(code_of(weights[i], inverse, code.zero_point));
    write(index, codes, code);
  }

 private:
  uint8_t* values_;
  uint8_t* zero_points_;
  float* scales_;
  size_t group_;
};

FourBitMatrix make_matrix(size_t rows, size_t groups, size_t group, bool zero_points,
                          const MakeTensor& make) {
  const ov::Shape each = {rows, groups, 1};
  return {make(zero_points ? ov::element::u4 : ov::element::i4, {rows, groups, group}),
          zero_points ? make(ov::element::u8, each) : ov::Tensor(), make(ov::element::f32, each)};
}

bool has_minimums(const graph::Weight& weight) {
  return std::any_of(weight.parts.begin(), weight.parts.end(),
                     [](const auto& part) { return part.dtype != DType::kQ4_0; });
}

// The line through (code, weight) of least squared error; false where a weight is farther than
// kOffGrid steps from its code's.
constexpr float kOffGrid = 0.05f;  // bf16 moves a weight by less; chance leaves 1 in 10 so near
bool fits_grid(std::span<const float> weights, float least, float step, weights::Grid& grid) {
  double codes = 0, squares = 0, sum = 0, products = 0;
  for (const float weight : weights) {
    const float place = (weight - least) / step;
    const float code = nearest(place);
    if (!(std::abs(place - code) <= kOffGrid)) return false;
    codes += double{code};
    squares += double{code} * code;
    sum += double{weight};
    products += double{code} * weight;
  }
  const auto count = static_cast<double>(weights.size());
  const double scale = (count * products - codes * sum) / (count * squares - codes * codes);
  grid = {static_cast<float>(scale), static_cast<float>((sum - scale * codes) / count)};
  return true;
}

bool find_grid(std::span<const float> weights, weights::Grid& grid) {
  const auto [least, most] = std::minmax_element(weights.begin(), weights.end());
  grid = {0, *least};
  if (*least == *most) return true;
  for (int steps = kLevels; steps > 0; --steps) {
    const float step = (*most - *least) / static_cast<float>(steps);
    if (step >= std::numeric_limits<float>::min() && fits_grid(weights, *least, step, grid))
      return true;
  }
  return false;
}

bool find_grids(std::span<const float> weights, std::span<weights::Grid> grids) {
  for (size_t g = 0; g < grids.size(); ++g)
    if (!find_grid(weights.subspan(g * kGridGroup, kGridGroup), grids[g])) return false;
  return true;
}

// A group of a stored block; what its integer zero point lacks goes to `rest`.
void write_stored(const Writer& writer, size_t index, std::span<const float> weights,
                  const weights::Grid& grid, float& rest) {
  const float inverse = grid.scale != 0 ? 1.0f / grid.scale : 0.0f;
  const GroupCode code{grid.scale,
                       std::clamp(std::rint(-grid.minimum * inverse), 0.0f, float{kLevels})};
  std::array<uint8_t, kGridGroup> codes;
  for (size_t i = 0; i < kGridGroup; ++i)
    codes[i] = static_cast<uint8_t>(
        std::clamp(std::rint((weights[i] - grid.minimum) * inverse), 0.0f, float{kLevels}));
  writer.write(index, codes, code);
  rest = grid.minimum + code.zero_point * grid.scale;
}

}  // namespace

FourBitMatrix quantize_to_four_bits(const graph::Weight& weight, int64_t group_size,
                                    const MakeTensor& make) {
  const auto rows = static_cast<size_t>(graph::row_count(weight));
  const auto group = static_cast<size_t>(group_size);
  const size_t groups = static_cast<size_t>(graph::column_count(weight)) / group;
  auto result = make_matrix(rows, groups, group, true, make);
  const Writer writer(result, group);
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    const size_t first = static_cast<size_t>(first_row) * groups;
    for (size_t g = 0; g * group < block.size(); ++g) {
      const auto elements = block.subspan(g * group, group);
      writer.write(first + g, elements, best_code(elements));
    }
  });
  return result;
}

bool has_four_bits(const graph::Weight& weight) {
  if (graph::grid_bits(weight) == 4) return true;
  const int64_t columns = graph::column_count(weight);
  if (weight.shape.size() != 2 || columns % weights::kGridElements != 0) return false;
  const auto groups = static_cast<size_t>(columns) / kGridGroup;
  std::vector<float> row(static_cast<size_t>(columns));
  std::vector<weights::Grid> row_grids(groups);
  graph::read_rows(weight, 0, 1, row);
  const auto varies = [](const weights::Grid& grid) { return grid.scale != 0; };
  if (!find_grids(row, row_grids) || std::none_of(row_grids.begin(), row_grids.end(), varies))
    return false;
  std::atomic<bool> found = true;
  for_row_blocks(weight, [&](int64_t, std::span<const float> block) {
    std::vector<weights::Grid> grids(block.size() / kGridGroup);
    if (found && !find_grids(block, grids)) found = false;
  });
  return found;
}

FourBitMatrix keep_four_bits(const graph::Weight& weight, const MakeTensor& make) {
  const auto rows = static_cast<size_t>(graph::row_count(weight));
  const size_t groups = static_cast<size_t>(graph::column_count(weight)) / kGridGroup;
  const bool sums = has_minimums(weight);
  const size_t sum_groups = sums ? (groups + kGridGroup - 1) / kGridGroup : 0;
  const size_t all_groups = groups + sum_groups;
  auto result = make_matrix(rows, all_groups, kGridGroup, sums, make);
  result.sum_columns = static_cast<int64_t>(sum_groups * kGridGroup);
  const Writer writer(result, kGridGroup);
  for_row_blocks(weight, [&](int64_t first_row, std::span<const float> block) {
    const size_t count = block.size() / (groups * kGridGroup);
    std::vector<weights::Grid> grids(count * groups);
    if (graph::grid_bits(weight) == 4)
      graph::read_grids(weight, first_row, static_cast<int64_t>(count), grids);
    else
      find_grids(block, grids);
    std::vector<float> rest(std::max(sum_groups * kGridGroup, groups));
    for (size_t row = 0; row < count; ++row) {
      const size_t first = (static_cast<size_t>(first_row) + row) * all_groups;
      for (size_t g = 0; g < groups; ++g)
        write_stored(writer, first + g, block.subspan((row * groups + g) * kGridGroup, kGridGroup),
                     grids[row * groups + g], rest[g]);
      for (size_t g = 0; g < sum_groups; ++g) {
        const auto elements = std::span(rest).subspan(g * kGridGroup, kGridGroup);
        writer.write(first + groups + g, elements, best_code(elements));
      }
    }
  });
  return result;
}

}  // namespace mm_orch::openvino
