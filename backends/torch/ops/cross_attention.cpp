// Attention of the decoder to the source: keys and values are laid out once, when the
// source is read, so that a step reads each head's in order.

#include <cstring>

#include "kernels/attention.h"
#include "ops/aligned.h"
#include "ops/lowering.h"
#include "ops/parallel.h"

namespace mm_orch::torch_backend {
namespace {

// Rows [E_u, N·D] of each text become [N, E_u, D].
void pack(const View& x, const std::vector<int64_t>& starts, int64_t heads, int64_t head_size,
          std::vector<float>& out) {
  out.resize(static_cast<size_t>(x.rows * heads * head_size));
  for (size_t text = 0; text + 1 < starts.size(); ++text) {
    const int64_t length = starts[text + 1] - starts[text];
    float* block = out.data() + starts[text] * heads * head_size;
    for (int64_t t = 0; t < length; ++t)
      for (int64_t h = 0; h < heads; ++h)
        std::memcpy(block + (h * length + t) * head_size, x.row(starts[text] + t) + h * head_size,
                    static_cast<size_t>(head_size) * sizeof(float));
  }
}

}  // namespace

Step pack_source(const graph::CrossAttention& op, const graph::Node& node) {
  return [op, k = node.inputs[1], v = node.inputs[2]](Frame& frame) {
    const auto layer = static_cast<size_t>(op.layer);
    pack(frame.values[k], frame.starts, op.heads, op.head_size, frame.packed->keys[layer]);
    pack(frame.values[v], frame.starts, op.heads, op.head_size, frame.packed->values[layer]);
  };
}

Step lower_cross_attention(const graph::CrossAttention& op, const graph::Node& node) {
  return [op, input = node.inputs[0], output = node.outputs[0]](Frame& frame) {
    static thread_local std::vector<float> scores_buffer;
    const View q = frame.values[input];
    const View y = frame.values[output];
    const auto layer = static_cast<size_t>(op.layer);
    parallel_for(q.rows * op.heads, 1, [&](int64_t first, int64_t last) {
      for (int64_t unit = first; unit < last; ++unit) {
        const int64_t r = unit / op.heads;
        const int64_t head = unit % op.heads;
        const auto& source = *frame.sequences[frame.sequence_of[r]].source;
        const auto& states = *source.states;
        const int64_t start = states.starts[source.text];
        const int64_t length = states.starts[source.text + 1] - start;
        const int64_t offset = (start * op.heads + head * length) * op.head_size;
        const auto bytes = [](const float& x) { return reinterpret_cast<const std::byte*>(&x); };
        const int32_t block = 0;
        const kernels::CachedHead all{bytes(states.keys[layer][offset]),
                                      bytes(states.values[layer][offset]),
                                      DType::kF32,
                                      &block,
                                      0,
                                      length};
        kernels::attend({q.row(r) + head * op.head_size, 1, all, 0, length, op.head_size, op.scale,
                         nullptr, 0, aligned(scores_buffer, kernels::attend_scores(length)),
                         y.row(r) + head * op.head_size});
      }
    });
  };
}

}  // namespace mm_orch::torch_backend
