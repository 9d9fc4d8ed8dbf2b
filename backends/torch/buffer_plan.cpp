#include "buffer_plan.h"

#include <algorithm>
#include <limits>

namespace mm_orch::torch_backend {
namespace {

bool has_no_buffer(const graph::Op& op) {
  return std::holds_alternative<graph::TokenIds>(op) ||
         std::holds_alternative<graph::Positions>(op) ||
         std::holds_alternative<graph::TokenTypes>(op);
}

// The value whose buffer a value lies in (itself, or the input of its Split), and the index of the
// last node that reads the buffer.
struct Lifetimes {
  std::vector<graph::ValueId> roots;
  std::vector<size_t> last_use;  // by root
};

Lifetimes lifetimes_of(const graph::Graph& graph) {
  Lifetimes lifetimes{std::vector<graph::ValueId>(graph.last_axis.size()),
                      std::vector<size_t>(graph.last_axis.size(), 0)};
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& node = graph.nodes[i];
    for (const auto input : node.inputs) lifetimes.last_use[lifetimes.roots[input]] = i;
    const bool is_split = std::holds_alternative<graph::Split>(node.op);
    for (const auto output : node.outputs) {
      lifetimes.roots[output] = is_split ? lifetimes.roots[node.inputs[0]] : output;
      lifetimes.last_use[lifetimes.roots[output]] = i;
    }
  }
  for (const auto result : {graph.hidden, graph.class_logits})
    if (result != graph::kNone)
      lifetimes.last_use[lifetimes.roots[result]] = std::numeric_limits<size_t>::max();
  return lifetimes;
}

}  // namespace

BufferPlan plan_buffers(const graph::Graph& graph, graph::Side side) {
  const auto lifetimes = lifetimes_of(graph);
  BufferPlan plan;
  plan.values.resize(graph.last_axis.size());
  std::vector<std::pair<size_t, int32_t>> busy;  // (last use, buffer)
  std::vector<int32_t> free;

  const auto take_buffer = [&](int64_t width) {
    const auto found =
        std::find_if(free.begin(), free.end(), [&](int32_t b) { return plan.widths[b] == width; });
    if (found == free.end()) {
      plan.widths.push_back(width);
      return static_cast<int32_t>(plan.widths.size() - 1);
    }
    const int32_t buffer = *found;
    free.erase(found);
    return buffer;
  };

  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& node = graph.nodes[i];
    std::erase_if(busy, [&](const auto& entry) {
      if (entry.first >= i) return false;
      free.push_back(entry.second);
      return true;
    });
    if (node.side != side || has_no_buffer(node.op)) continue;
    if (const auto* split = std::get_if<graph::Split>(&node.op)) {
      Placement placement = plan.values[node.inputs[0]];
      for (size_t k = 0; k < node.outputs.size(); ++k) {
        placement.columns = split->sizes[k];
        plan.values[node.outputs[k]] = placement;
        placement.first_column += split->sizes[k];
      }
      continue;
    }
    for (const auto output : node.outputs) {
      const int64_t width = graph.last_axis[output];
      if (output == graph.logits) {
        plan.values[output] = {-1, 0, width};
        continue;
      }
      plan.values[output] = {take_buffer(width), 0, width};
      busy.emplace_back(lifetimes.last_use[output], plan.values[output].buffer);
    }
  }
  return plan;
}

}  // namespace mm_orch::torch_backend
