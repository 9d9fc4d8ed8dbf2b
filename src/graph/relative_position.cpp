#include "graph/relative_position.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "graph/weight_reader.h"

namespace mm_orch::graph {

int64_t relative_bucket(int64_t distance, bool bidirectional, int64_t buckets,
                        int64_t max_distance) {
  int64_t first = 0;
  if (bidirectional) {
    buckets /= 2;
    if (distance > 0) first = buckets;
    distance = std::abs(distance);
  } else {
    distance = std::max<int64_t>(-distance, 0);
  }
  const int64_t exact = buckets / 2;
  if (distance < exact) return first + distance;
  const auto share =
      std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
      static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  const auto far = exact + static_cast<int64_t>(share * static_cast<float>(buckets - exact));
  return first + std::min(far, buckets - 1);
}

std::vector<float> relative_bias(const Graph& graph, const RelativePosition& relative,
                                 bool bidirectional) {
  const auto& table = graph.weights.at(static_cast<size_t>(relative.table));
  const int64_t buckets = row_count(table);
  const int64_t heads = column_count(table);
  std::vector<float> rows(static_cast<size_t>(buckets * heads));
  read_rows(table, 0, buckets, rows);
  std::vector<float> bias;
  for (int64_t distance = -relative.max_distance; distance <= relative.max_distance; ++distance) {
    const auto row = rows.begin() + heads * relative_bucket(distance, bidirectional, buckets,
                                                            relative.max_distance);
    bias.insert(bias.end(), row, row + heads);
  }
  return bias;
}

}  // namespace mm_orch::graph
