// Which buffer holds which value of a graph: buffers are shared by values that do
// not live at the same time, and outputs of Split are columns of their input's. Each
// side of a graph has a plan of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace mm_orch::torch_backend {

struct Placement {
  int32_t buffer = -1;  // -1: ids, positions, the logits, and values of the other side
  int64_t first_column = 0;
  int64_t columns = 0;
};

struct BufferPlan {
  std::vector<Placement> values;  // by ValueId
  std::vector<int64_t> widths;    // floats in a row of each buffer
};

BufferPlan plan_buffers(const graph::Graph& graph, graph::Side side);

}  // namespace mm_orch::torch_backend
