// Attention over the cache: a few new tokens, head by head, with our own kernel, which
// reads each key and value where it lies; a prompt by packed products (prompt_attention.cpp) or,
// where the processor has none for it, with torch's blocked kernel.
#include "kernels/attention.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <limits>

#include "kernels/rows.h"
#include "ops/aligned.h"
#include "ops/lowering.h"
#include "ops/parallel.h"
#include "ops/self_attention.h"

namespace mm_orch::torch_backend {
namespace {

void write(const SelfAttention& op, Frame& frame, const View& keys, const View& values) {
  for_rows(keys.rows, keys.columns + values.columns, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const auto& sequence = frame.sequences[frame.sequence_of[r]];
      frame.cache->write(op.layer, sequence.blocks, frame.positions[r], keys.row(r), values.row(r));
    }
  });
}

void attend_few(const SelfAttention& op, Frame& frame, const View& q, const View& y) {
  static thread_local std::vector<float> scores_buffer;
  int64_t longest = 0;
  for (const auto& sequence : frame.sequences) longest = std::max(longest, sequence.end());
  const DistanceBias* bias = op.relative ? &distance_bias(frame, op, longest) : nullptr;
  // Heads that share keys go together, unless threads would then have nothing to do. The tokens of
  // a text, whose rows follow each other, find the keys of a head in the cache.
  const auto rows = static_cast<int64_t>(frame.few_rows.size());
  const int64_t group = op.heads / op.kv_heads;
  const int64_t together = rows * op.kv_heads >= 4 * thread_count() ? group : 1;
  const int64_t units_of_row = op.heads / together;
  parallel_for(units_of_row * rows, 1, [&](int64_t first, int64_t last) {
    float* scores = aligned(scores_buffer, group * kernels::attend_scores(longest));
    for (int64_t unit = first; unit < last; ++unit) {
      const int64_t r = frame.few_rows[unit % rows];
      const int64_t head = unit / rows * together;
      const int64_t position = frame.positions[r];
      const int64_t key = first_key(op.window, position);
      const int64_t count = position + 1 - key;
      const auto cached =
          frame.cache->head(op.layer, head / group, frame.sequences[frame.sequence_of[r]].blocks);
      kernels::attend({q.row(r) + head * op.head_size, together, cached, key, count, op.head_size,
                       op.scale, bias ? &bias->values[(head + 1) * bias->length - count] : nullptr,
                       bias ? bias->length : 0, scores, y.row(r) + head * op.head_size});
    }
  });
}

// [1, 1, T, S], 0 where a token sees a key, else -inf.
at::Tensor make_mask(const FedSequence& sequence, int64_t window) {
  auto mask = at::full({1, 1, sequence.tokens, sequence.end()},
                       -std::numeric_limits<float>::infinity(), at::kFloat);
  auto* data = mask.data_ptr<float>();
  for (int64_t position = sequence.past; position < sequence.end();
       ++position, data += sequence.end())
    std::fill(data + first_key(window, position), data + position + 1, 0.0f);
  return mask;
}

// The mask with the bias of each head, [1, N, T, S].
at::Tensor add_bias(const at::Tensor& mask, Frame& frame, const FedSequence& sequence,
                    const SelfAttention& op) {
  const int64_t keys = mask.size(3);
  const auto& bias = distance_bias(frame, op, keys);
  auto result = mask.repeat({1, op.heads, 1, 1});
  auto* data = result.data_ptr<float>();
  for (int64_t row = 0; row < op.heads * sequence.tokens; ++row, data += keys) {
    const int64_t seen = sequence.past + row % sequence.tokens + 1;
    const int64_t head = row / sequence.tokens;
    const float* values = &bias.values[(head + 1) * bias.length - seen];
    for (int64_t key = 0; key < seen; ++key) data[key] += values[key];
  }
  return result;
}

const at::Tensor& additive_mask(Frame& frame, const FedSequence& sequence,
                                const SelfAttention& op) {
  const int64_t table = op.relative ? static_cast<int64_t>(op.table_index) : -1;
  if (frame.mask_sequence != &sequence || frame.mask_window != op.window ||
      frame.mask_table != table) {
    frame.mask = make_mask(sequence, op.window);
    if (op.relative) frame.mask = add_bias(frame.mask, frame, sequence, op);
    frame.mask_sequence = &sequence;
    frame.mask_window = op.window;
    frame.mask_table = table;
  }
  return frame.mask;
}

// Keys or values of all heads, [1, K, S, D].
at::Tensor gather(const SelfAttention& op, const Frame& frame, const FedSequence& sequence,
                  const std::byte* kernels::CachedHead::*rows) {
  auto result = at::empty({1, op.kv_heads, sequence.end(), op.head_size}, at::kFloat);
  auto* out = result.data_ptr<float>();
  const int64_t row_bytes = kernels::row_bytes(frame.cache->dtype(), op.head_size);
  for (int64_t h = 0; h < op.kv_heads; ++h) {
    const auto head = frame.cache->head(op.layer, h, sequence.blocks);
    for (int64_t token = 0; token < sequence.end(); token += head.block_tokens) {
      const int64_t count = std::min(head.block_tokens, sequence.end() - token);
      const std::byte* block =
          head.*rows + sequence.blocks[token / head.block_tokens] * head.block_bytes;
      kernels::expand({block, row_bytes, head.dtype}, 0, count, op.head_size, out);
      out += count * op.head_size;
    }
  }
  return result;
}

void attend_many(const SelfAttention& op, Frame& frame, const FedSequence& sequence, const View& q,
                 const View& y) {
  const auto heads_of = [&](const View& x) {  // [1, N, T, D]
    return at::from_blob(x.row(sequence.first_row), {1, op.heads, sequence.tokens, op.head_size},
                         {0, op.head_size, x.stride, 1}, at::kFloat);
  };
  // is_causal counts from the first key, so it is right only for an empty cache.
  const bool masked =
      sequence.past > 0 || op.relative || (op.window > 0 && op.window < sequence.tokens);
  const auto mask = masked ? std::optional(additive_mask(frame, sequence, op)) : std::nullopt;
  heads_of(y).copy_(at::scaled_dot_product_attention(
      heads_of(q), gather(op, frame, sequence, &kernels::CachedHead::keys),
      gather(op, frame, sequence, &kernels::CachedHead::values), mask, 0.0, !masked, op.scale,
      op.heads != op.kv_heads));
}

}  // namespace

const DistanceBias& distance_bias(Frame& frame, const SelfAttention& op, int64_t length) {
  auto& bias = frame.distance_bias[op.table_index];
  if (bias.length >= length) return bias;
  const auto& table = *op.relative;
  const int64_t width = 2 * table.max_distance + 1;
  bias.length = 2 * length;  // not anew at each token
  bias.values.resize(static_cast<size_t>(table.heads * bias.length));
  for (int64_t h = 0; h < table.heads; ++h)
    for (int64_t i = 0; i < bias.length; ++i) {
      const int64_t distance = std::max(i - (bias.length - 1), -table.max_distance);
      bias.values[h * bias.length + i] = table.values[h * width + table.max_distance + distance];
    }
  return bias;
}

Step lower_attention(const graph::Attention& attention, const graph::Node& node,
                     Lowering& lowering) {
  SelfAttention op{attention, nullptr, 0, parts_of(lowering.weights.precision())};
  if (const auto index = relative_table(attention.relative, false, lowering); index >= 0) {
    op.table_index = static_cast<size_t>(index);
    op.relative =
        std::make_shared<const RelativeTable>(lowering.part.relative_tables[op.table_index]);
  }
  return [op, q = node.inputs[0], k = node.inputs[1], v = node.inputs[2],
          output = node.outputs[0]](Frame& frame) {
    write(op, frame, frame.values[k], frame.values[v]);
    attend_few(op, frame, frame.values[q], frame.values[output]);
    for (const auto& sequence : frame.sequences)
      if (sequence.tokens > kFewTokens)
        (can_attend_packed(op) ? attend_packed : attend_many)(op, frame, sequence, frame.values[q],
                                                              frame.values[output]);
  };
}

}  // namespace mm_orch::torch_backend
