#include <algorithm>
#include <cmath>

#include "kernels/rowwise.h"
#include "ops/lowering.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {

void fill_rope_table(const graph::Rope& op, const std::vector<int64_t>& positions,
                     RopeTable& table) {
  const size_t half = op.inverse_frequencies.size();
  table.cos.resize(positions.size() * half);
  table.sin.resize(positions.size() * half);
  for (size_t r = 0; r < positions.size(); ++r) {
    for (size_t i = 0; i < half; ++i) {
      // The product in float32, as the models were trained.
      const float angle = static_cast<float>(positions[r]) * op.inverse_frequencies[i];
      table.cos[r * half + i] = std::cos(angle) * op.attention_factor;
      table.sin[r * half + i] = std::sin(angle) * op.attention_factor;
    }
  }
}

Step lower_rope(const graph::Rope& op, const graph::Node& node, Lowering& lowering) {
  auto& tables = lowering.part.rope_tables;
  const auto same = [&](const graph::Rope& other) {
    return other.inverse_frequencies == op.inverse_frequencies &&
           other.attention_factor == op.attention_factor;
  };
  const auto found = std::find_if(tables.begin(), tables.end(), same);
  const auto table_index = static_cast<size_t>(found - tables.begin());
  if (found == tables.end()) tables.push_back(op);

  return [table_index, head_size = op.head_size, input = node.inputs[0],
          output = node.outputs[0]](Frame& frame) {
    const View x = frame.values[input];
    const View y = frame.values[output];
    const RopeTable& table = frame.rope[table_index];
    const int64_t half = head_size / 2;
    for_rows(x.rows, x.columns, [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        for (int64_t c = 0; c < x.columns; c += head_size)
          kernels::rotate(x.row(r) + c, &table.cos[r * half], &table.sin[r * half], half,
                          y.row(r) + c);
    });
  };
}

}  // namespace mm_orch::torch_backend
