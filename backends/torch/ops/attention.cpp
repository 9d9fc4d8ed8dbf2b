// Attention over the cache: a few new tokens, head by head, with our own kernel, which
// reads each key and value where it lies; a prompt on AMX (prompt_attention.cpp) or, without it,
// with torch's blocked kernel.
#include "kernels/attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "kernels/amx.h"
#include "ops/lowering.h"
#include "ops/parallel.h"
#include "ops/self_attention.h"

namespace mm_orch::torch_backend {
namespace {

constexpr int64_t kFewTokens = 4;

void append(const Frame& frame, const View& x, const at::Tensor& cache) {
  const int64_t heads = cache.size(1);
  const int64_t capacity = cache.size(2);
  const int64_t head_size = cache.size(3);
  auto* data = cache.data_ptr<float>();
  for_rows(x.rows, x.columns, [&](int64_t first, int64_t last) {
    for (int64_t r = first; r < last; ++r) {
      const int64_t b = r / frame.tokens;
      const int64_t position = frame.past + r % frame.tokens;
      for (int64_t h = 0; h < heads; ++h)
        std::memcpy(data + ((b * heads + h) * capacity + position) * head_size,
                    x.row(r) + h * head_size, static_cast<size_t>(head_size) * sizeof(float));
    }
  });
}

void attend_few(const SelfAttention& op, Frame& frame, const View& q, const View& y) {
  const float* keys = frame.cache.keys(op.layer).const_data_ptr<float>();
  const float* values = frame.cache.values(op.layer).const_data_ptr<float>();
  const int64_t capacity = frame.cache.capacity();
  const int64_t scores_stride = (frame.past + frame.tokens + 15) / 16 * 16;
  const int64_t units = q.rows * op.heads;
  if (frame.scores.size() < static_cast<size_t>(units * scores_stride))
    frame.scores.resize(static_cast<size_t>(2 * units * scores_stride));
  const DistanceBias* bias =
      op.relative ? &distance_bias(frame, op, frame.past + frame.tokens) : nullptr;
  at::parallel_for(0, units, 1, [&](int64_t first, int64_t last) {
    for (int64_t unit = first; unit < last; ++unit) {
      const int64_t r = unit / op.heads;
      const int64_t head = unit % op.heads;
      const int64_t b = r / frame.tokens;
      const int64_t position = frame.past + r % frame.tokens;
      const int64_t key = first_key(frame, op.window, b, position);
      const int64_t kv_head = b * op.kv_heads + head / (op.heads / op.kv_heads);
      const int64_t offset = (kv_head * capacity + key) * op.head_size;
      kernels::attend(
          q.row(r) + head * op.head_size, keys + offset, values + offset, position + 1 - key,
          op.head_size, op.scale,
          bias ? &bias->values[(head + 1) * bias->length - (position + 1 - key)] : nullptr,
          frame.scores.data() + unit * scores_stride, y.row(r) + head * op.head_size);
    }
  });
}

// [B, 1, T, S], 0 where a token sees a key, else -inf. A token of the padding sees itself alone: a
// row of -inf would give NaN, which would spread through the cache.
at::Tensor make_mask(const Frame& frame, int64_t window) {
  const int64_t keys = frame.past + frame.tokens;
  auto mask = at::full({frame.batch(), 1, frame.tokens, keys},
                       -std::numeric_limits<float>::infinity(), at::kFloat);
  auto* data = mask.data_ptr<float>();
  for (int64_t b = 0; b < frame.batch(); ++b) {
    for (int64_t t = 0; t < frame.tokens; ++t) {
      const int64_t position = frame.past + t;
      const int64_t first = std::min(first_key(frame, window, b, position), position);
      float* row = data + (b * frame.tokens + t) * keys;
      std::fill(row + first, row + position + 1, 0.0f);
    }
  }
  return mask;
}

// The mask with the bias of each head, [B, N, T, S].
at::Tensor add_bias(const at::Tensor& mask, Frame& frame, const SelfAttention& op) {
  const int64_t keys = mask.size(3);
  const auto& bias = distance_bias(frame, op, keys);
  auto result = mask.repeat({1, op.heads, 1, 1});
  auto* data = result.data_ptr<float>();
  for (int64_t row = 0; row < frame.batch() * op.heads * frame.tokens; ++row, data += keys) {
    const int64_t seen = frame.past + row % frame.tokens + 1;
    const int64_t head = row / frame.tokens % op.heads;
    const float* values = &bias.values[(head + 1) * bias.length - seen];
    for (int64_t key = 0; key < seen; ++key) data[key] += values[key];
  }
  return result;
}

const at::Tensor& additive_mask(Frame& frame, const SelfAttention& op) {
  const int64_t table = op.relative ? static_cast<int64_t>(op.table_index) : -1;
  if (!frame.mask.defined() || frame.mask_window != op.window || frame.mask_table != table) {
    frame.mask = make_mask(frame, op.window);
    if (op.relative) frame.mask = add_bias(frame.mask, frame, op);
    frame.mask_window = op.window;
    frame.mask_table = table;
  }
  return frame.mask;
}

bool needs_mask(const Frame& frame, const SelfAttention& op) {
  const bool padded = std::any_of(frame.padding.begin(), frame.padding.end(),
                                  [](int64_t padding) { return padding > 0; });
  // is_causal counts from the first key, so it is right only for an empty cache.
  return padded || frame.past > 0 || op.relative || (op.window > 0 && op.window < frame.tokens);
}

void attend_many(const SelfAttention& op, Frame& frame, const View& q, const View& y) {
  const int64_t batch = frame.batch();
  const int64_t keys = frame.past + frame.tokens;
  const auto heads_of = [&](const View& x) {  // [B, N, T, D]
    return at::from_blob(x.data, {batch, op.heads, frame.tokens, op.head_size},
                         {frame.tokens * x.stride, op.head_size, x.stride, 1}, at::kFloat);
  };
  const bool masked = needs_mask(frame, op);
  const auto mask = masked ? std::optional(additive_mask(frame, op)) : std::nullopt;
  heads_of(y).copy_(
      at::scaled_dot_product_attention(heads_of(q), frame.cache.keys(op.layer).narrow(2, 0, keys),
                                       frame.cache.values(op.layer).narrow(2, 0, keys), mask, 0.0,
                                       !masked, op.scale, op.heads != op.kv_heads));
}

}  // namespace

const DistanceBias& distance_bias(Frame& frame, const SelfAttention& op, int64_t length) {
  auto& bias = frame.distance_bias[op.table_index];
  if (bias.length >= length) return bias;
  const auto& table = *op.relative;
  const int64_t width = 2 * table.max_distance + 1;
  bias.length = frame.cache.capacity();
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
    append(frame, frame.values[k], frame.cache.keys(op.layer));
    append(frame, frame.values[v], frame.cache.values(op.layer));
    const auto attend = frame.tokens <= kFewTokens ? attend_few
                        : kernels::has_amx()       ? attend_on_amx
                                                   : attend_many;
    attend(op, frame, frame.values[q], frame.values[output]);
  };
}

}  // namespace mm_orch::torch_backend
