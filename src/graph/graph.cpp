#include "graph/graph.h"

#include <array>
#include <functional>
#include <numeric>

namespace mm_orch::graph {

int64_t Graph::parameter_count() const {
  int64_t count = 0;
  for (const auto& weight : weights)
    count +=
        std::accumulate(weight.shape.begin(), weight.shape.end(), int64_t{1}, std::multiplies<>());
  return count;
}

const char* op_name(const Op& op) {
  // In the order of the variant's alternatives.
  static constexpr std::array<const char*, std::variant_size_v<Op>> kNames = {
      "TokenIds",       "Positions", "TokenTypes", "Embedding", "Linear",
      "LayerNorm",      "RmsNorm",   "Rope",       "Attention", "EncoderAttention",
      "CrossAttention", "Split",     "Add",        "Multiply",  "Silu",
      "Gelu",           "Relu",      "Tanh",       "Scale"};
  return kNames[op.index()];
}

}  // namespace mm_orch::graph
