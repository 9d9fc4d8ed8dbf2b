#include <algorithm>

#include "graph/relative_position.h"
#include "ops/lowering.h"

namespace mm_orch::torch_backend {

int64_t relative_table(const graph::RelativePosition& relative, bool bidirectional,
                       Lowering& lowering) {
  if (relative.table == graph::kNone) return -1;
  auto& tables = lowering.part.relative_tables;
  const auto found = std::ranges::find(tables, relative.table, &RelativeTable::id);
  if (found != tables.end()) return found - tables.begin();
  const auto bias = graph::relative_bias(lowering.graph, relative, bidirectional);
  const int64_t width = 2 * relative.max_distance + 1;
  RelativeTable table{relative.table, static_cast<int64_t>(bias.size()) / width,
                      relative.max_distance, std::vector<float>(bias.size())};
  for (int64_t d = 0; d < width; ++d)
    for (int64_t h = 0; h < table.heads; ++h)
      table.values[h * width + d] = bias[d * table.heads + h];
  tables.push_back(std::move(table));
  return static_cast<int64_t>(tables.size()) - 1;
}

}  // namespace mm_orch::torch_backend
