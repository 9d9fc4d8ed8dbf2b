// Attention of whole texts to themselves. Texts of equal length that lie one after the
// other go through torch's kernel together.
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>

#include "ops/lowering.h"

namespace mm_orch::torch_backend {
namespace {

// [1, N, E, E]: the bias of each key for each query.
at::Tensor make_bias(const RelativeTable& table, int64_t length) {
  auto bias = at::empty({1, table.heads, length, length}, at::kFloat);
  auto* data = bias.data_ptr<float>();
  const int64_t width = 2 * table.max_distance + 1;
  for (int64_t h = 0; h < table.heads; ++h) {
    const float* values = &table.values[h * width + table.max_distance];
    for (int64_t query = 0; query < length; ++query)
      for (int64_t key = 0; key < length; ++key)
        *data++ = values[std::clamp(key - query, -table.max_distance, table.max_distance)];
  }
  return bias;
}

}  // namespace

Step lower_encoder_attention(const graph::EncoderAttention& op, const graph::Node& node,
                             Lowering& lowering) {
  const int64_t index = relative_table(op.relative, true, lowering);
  const auto table = index < 0 ? nullptr
                               : std::make_shared<const RelativeTable>(
                                     lowering.part.relative_tables[static_cast<size_t>(index)]);
  return [op, table, index, q = node.inputs[0], k = node.inputs[1], v = node.inputs[2],
          output = node.outputs[0]](Frame& frame) {
    const auto& starts = frame.starts;
    const auto length_of = [&](size_t text) { return starts[text + 1] - starts[text]; };
    for (size_t first = 0, last = 0; first + 1 < starts.size(); first = last) {
      const int64_t length = length_of(first);
      while (last + 1 < starts.size() && length_of(last) == length) ++last;
      const auto heads_of = [&](graph::ValueId id) {  // [texts, N, E, D]
        const View x = frame.values[id];
        return at::from_blob(x.row(starts[first]),
                             {static_cast<int64_t>(last - first), op.heads, length, op.head_size},
                             {length * x.stride, op.head_size, x.stride, 1}, at::kFloat);
      };
      if (table && (frame.mask_table != index || frame.mask_length != length)) {
        frame.mask = make_bias(*table, length);
        frame.mask_table = index;
        frame.mask_length = length;
      }
      const auto bias = table ? std::optional(frame.mask) : std::nullopt;
      heads_of(output).copy_(at::scaled_dot_product_attention(heads_of(q), heads_of(k), heads_of(v),
                                                              bias, 0.0, false, op.scale));
    }
  };
}

}  // namespace mm_orch::torch_backend
