// T5's relative position bias: near distances have a bucket each, far ones share
// buckets that grow logarithmically.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace mm_orch::graph {

/// The bucket of `distance` = key position − query position, in [0, buckets).
/// @param bidirectional  half of the buckets are for keys after the query (encoder); else those
///                       keys share bucket 0 (decoder).
/// Source: Raffel et al. 2020; computed in float32, as transformers does.
MM_ORCH_EXPORT int64_t relative_bucket(int64_t distance, bool bidirectional, int64_t buckets,
                                       int64_t max_distance);

/// The bias of every distance in [−max_distance, max_distance]; farther ones have that of the ends.
/// @return  float32 [2·max_distance + 1, heads].
MM_ORCH_EXPORT std::vector<float> relative_bias(const Graph& graph,
                                                const RelativePosition& relative,
                                                bool bidirectional);

}  // namespace mm_orch::graph
