// Linear, Split, Silu, Multiply, Linear: the gated MLP of Llama and its kin. Many rows go through
// it packed, and those in int8 rounded, in one step, so that what lies between the two products
// never leaves the cache.
#include <algorithm>

#include "ops/aligned.h"
#include "ops/int8_linear.h"
#include "ops/lowering.h"
#include "ops/packed_linear.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {
namespace {

constexpr size_t kNodes = 5;

struct GatedMlp {
  const Matrix *gate_up, *down;
  const float *gate_up_bias, *down_bias;
  int parts;
};

void run_packed(const GatedMlp& op, const View& x, const View& y) {
  static thread_local std::vector<uint16_t> x_buffer, product_buffer, scratch_buffer;
  const int64_t inner = op.down->columns;
  auto* product = aligned(product_buffer, kernels::packed_size(x.rows, inner, op.parts));
  const auto part_of_product = [&](int64_t row) {
    return product + kernels::packed_size(row, inner, op.parts);
  };
  const int64_t x_rows = rows_at_once(x.rows, x.columns, op.parts);
  for (int64_t row = 0; row < x.rows; row += x_rows) {
    const auto packed = pack(x, row, std::min(x_rows, x.rows - row), op.parts, x_buffer);
    const kernels::PackedGatedArgs args{packed, op.gate_up->ranges[0].weight, inner,
                                        op.gate_up_bias, part_of_product(row)};
    const auto panels = [&](int64_t first, int64_t last) {
      kernels::packed_gated(args, first, last,
                            aligned(scratch_buffer, kernels::panel_scratch_size(packed)));
    };
    parallel_for(inner / kernels::kGatedPanel, 2, panels, parts_each(packed.rows));
  }
  const int64_t product_rows = rows_at_once(x.rows, inner, op.parts);
  for (int64_t row = 0; row < x.rows; row += product_rows)
    multiply_packed(*op.down, op.down_bias,
                    {part_of_product(row), std::min(product_rows, x.rows - row), inner, op.parts},
                    y, row);
}

void run_int8(const GatedMlp& op, const View& x, const View& y) {
  static thread_local std::vector<kernels::Int8Group> x_buffer, product;
  const int64_t inner = op.down->columns, groups = inner / 32;
  product.resize(static_cast<size_t>(x.rows * groups));
  const int64_t x_rows = int8_rows_at_once(x.rows, x.columns);
  for (int64_t row = 0; row < x.rows; row += x_rows) {
    const int64_t count = std::min(x_rows, x.rows - row);
    const kernels::Int8GatedArgs args{to_int8(x, row, count, x_buffer),
                                      std::get<kernels::Strips>(op.gate_up->ranges[0].weight),
                                      op.gate_up_bias,
                                      product.data() + row * groups,
                                      count,
                                      x.columns,
                                      inner};
    parallel_for(
        groups, 1, [&](int64_t first, int64_t last) { kernels::int8_gated(args, first, last); },
        parts_each(count));
  }
  const int64_t product_rows = int8_rows_at_once(x.rows, inner);
  for (int64_t row = 0; row < x.rows; row += product_rows)
    multiply_int8(*op.down, op.down_bias, product.data() + row * groups,
                  std::min(product_rows, x.rows - row), y, row);
}

// True if no other node reads what those before the last one make.
bool stands_alone(const graph::Graph& graph, size_t first) {
  std::vector<graph::ValueId> inside;
  for (size_t i = first; i + 1 < first + kNodes; ++i)
    inside.insert(inside.end(), graph.nodes[i].outputs.begin(), graph.nodes[i].outputs.end());
  const auto is_inside = [&](graph::ValueId value) {
    return std::ranges::find(inside, value) != inside.end();
  };
  for (size_t i = 0; i < graph.nodes.size(); ++i)
    if ((i < first || i >= first + kNodes) && std::ranges::any_of(graph.nodes[i].inputs, is_inside))
      return false;
  return !is_inside(graph.hidden);
}

}  // namespace

size_t gated_mlp_at(const graph::Graph& graph, size_t first) {
  if (first + kNodes > graph.nodes.size()) return 0;
  const auto* node = &graph.nodes[first];
  const auto* split = std::get_if<graph::Split>(&node[1].op);
  const bool kinds = std::holds_alternative<graph::Linear>(node[0].op) && split &&
                     std::holds_alternative<graph::Silu>(node[2].op) &&
                     std::holds_alternative<graph::Multiply>(node[3].op) &&
                     std::holds_alternative<graph::Linear>(node[4].op);
  if (!kinds || split->sizes.size() != 2 || split->sizes[0] != split->sizes[1]) return 0;
  const auto& parts = node[1].outputs;
  const bool joined = node[1].inputs == node[0].outputs &&
                      node[2].inputs == std::vector{parts[0]} &&
                      node[3].inputs == std::vector{node[2].outputs[0], parts[1]} &&
                      node[4].inputs == node[3].outputs;
  const bool is_head = node[4].outputs == std::vector{graph.logits};
  return joined && !is_head && stands_alone(graph, first) ? kNodes : 0;
}

Step lower_gated_mlp(const graph::Node* nodes, Lowering& lowering) {
  std::vector<Step> apart;
  for (size_t i = 0; i < kNodes; ++i)
    if (auto step = lower(nodes[i], lowering)) apart.push_back(std::move(step));
  const auto& weights = lowering.weights;
  const auto& gate_up = std::get<graph::Linear>(nodes[0].op);
  const auto& down = std::get<graph::Linear>(nodes[4].op);
  const GatedMlp op{&weights.matrix(gate_up.weight), &weights.matrix(down.weight),
                    weights.vector_or_null(gate_up.bias), weights.vector_or_null(down.bias),
                    parts_of(weights.precision())};
  const bool together = op.gate_up->ranges.size() == 1 && op.down->columns % 32 == 0;
  return [=, apart = std::move(apart), precision = weights.precision(), input = nodes[0].inputs[0],
          output = nodes[4].outputs[0]](Frame& frame) {
    const View x = frame.values[input];
    if (together && x.rows > most_unpacked_rows(precision))
      return run_packed(op, x, frame.values[output]);
    if (together && op.gate_up->in_strips()) return run_int8(op, x, frame.values[output]);
    for (const auto& step : apart) step(frame);
  };
}

}  // namespace mm_orch::torch_backend
