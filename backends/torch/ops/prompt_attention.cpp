// A prompt's attention as two products on AMX for each block of queries: the scores of
// the keys, and the values weighted by them. The heads that share keys and values go together, so
// that these are packed once for all of them.
#include <ATen/Parallel.h>

#include <atomic>

#include "kernels/amx.h"
#include "kernels/attention.h"
#include "ops/aligned.h"
#include "ops/self_attention.h"

namespace mm_orch::torch_backend {
namespace {

constexpr int64_t kBlock = 16;               // rows that are packed together
constexpr int64_t kScoresInCache = 3 << 17;  // floats

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

struct Job {
  const SelfAttention& op;
  const Frame& frame;
  View q, y;
  const DistanceBias* bias;
  const float* transposed_values;  // [B, K, D, S]
  int64_t keys;                    // S
  int64_t queries;                 // of a block
};

// Values [B, K, S, D] of the cache as [B, K, D, S].
const float* transpose_values(const SelfAttention& op, Frame& frame, int64_t keys) {
  const int64_t d = op.head_size;
  float* out = aligned(frame.scores, frame.batch() * op.kv_heads * keys * d);
  const float* values = frame.cache.values(op.layer).const_data_ptr<float>();
  at::parallel_for(0, frame.batch() * op.kv_heads, 1, [&](int64_t first, int64_t last) {
    for (int64_t head = first; head < last; ++head) {
      const float* in = values + head * frame.cache.capacity() * d;
      float* target = out + head * keys * d;
      for (int64_t block = 0; block < keys; block += kBlock)
        for (int64_t i = 0; i < d; ++i)
          for (int64_t key = block; key < std::min(block + kBlock, keys); ++key)
            target[i * keys + key] = in[key * d + i];
    }
  });
  return out;
}

// Queries [first, first + count) of the heads that share a key/value head, of one sequence.
void attend_block(const Job& job, int64_t b, int64_t kv_head, int64_t first, int64_t count) {
  static thread_local std::vector<uint16_t> packed_buffer, scratch_buffer;
  static thread_local std::vector<float> scores_buffer;
  const auto& op = job.op;
  const int64_t group = op.heads / op.kv_heads;
  const int64_t padded = round_up(count, kBlock);  // each head begins a packed block
  const int64_t rows = group * padded;
  const int64_t offset = job.frame.past + first;  // position of the first query
  const int64_t begin = std::min(first_key(job.frame, op.window, b, offset), offset);
  const int64_t seen = offset + count - begin;  // keys from `begin` on
  const int64_t stride = round_up(seen, kBlock) + kBlock;
  const int64_t kv = b * op.kv_heads + kv_head;
  float* scores = aligned(scores_buffer, rows * std::max(stride, op.head_size));

  const auto pack = [&](const float* x, int64_t x_stride, int64_t columns, int64_t head,
                        uint16_t* packed) {
    const kernels::PackedRows part{packed, count, columns, op.parts};
    kernels::pack_rows(x, x_stride, part, 0, padded / kBlock,
                       packed + kernels::packed_size(head * padded, columns, op.parts));
  };
  const auto multiply = [&](const kernels::AmxArgs& args) {
    auto* scratch = aligned(scratch_buffer, kernels::amx_scratch_size(args));
    kernels::amx_linear(args, 0, (args.out + kernels::kAmxPanel - 1) / kernels::kAmxPanel, scratch);
  };

  auto* packed =
      aligned(packed_buffer, kernels::packed_size(rows, std::max(seen, op.head_size), op.parts));
  for (int64_t h = 0; h < group; ++h)
    pack(job.q.row(b * job.frame.tokens + first) + (kv_head * group + h) * op.head_size,
         job.q.stride, op.head_size, h, packed);
  const auto* keys = job.frame.cache.keys(op.layer).const_data_ptr<float>() +
                     (kv * job.frame.cache.capacity() + begin) * op.head_size;
  const auto bytes = [](const float* p) { return reinterpret_cast<const std::byte*>(p); };
  multiply({{packed, rows, op.head_size, op.parts},
            {bytes(keys), op.head_size * 4, DType::kF32},
            seen,
            nullptr,
            scores,
            stride});

  for (int64_t h = 0; h < group; ++h) {
    for (int64_t t = 0; t < count; ++t) {
      float* row = scores + (h * padded + t) * stride;
      const int64_t position = offset + t;
      const int64_t from = first_key(job.frame, op.window, b, position);
      const int64_t length = position + 1 - from;
      if (length <= 0) {  // a token of the padding
        std::fill(row, row + seen, 0.0f);
        continue;
      }
      std::fill(row, row + from - begin, 0.0f);
      const int64_t head = kv_head * group + h;
      const auto* bias = job.bias;
      kernels::softmax(row + from - begin, length, op.scale,
                       bias ? &bias->values[(head + 1) * bias->length - length] : nullptr);
      std::fill(row + from - begin + length, row + seen, 0.0f);
    }
    pack(scores + h * padded * stride, stride, seen, h, packed);
  }
  // The sums of all heads one under the other, then each to its columns of y.
  float* sums = scores;
  multiply({{packed, rows, seen, op.parts},
            {bytes(job.transposed_values + kv * job.keys * op.head_size + begin), job.keys * 4,
             DType::kF32},
            op.head_size,
            nullptr,
            sums,
            op.head_size});
  for (int64_t h = 0; h < group; ++h)
    for (int64_t t = 0; t < count; ++t)
      std::copy_n(
          sums + (h * padded + t) * op.head_size, op.head_size,
          job.y.row(b * job.frame.tokens + first + t) + (kv_head * group + h) * op.head_size);
}

}  // namespace

void attend_on_amx(const SelfAttention& op, Frame& frame, const View& q, const View& y) {
  const int64_t keys = frame.past + frame.tokens;
  const int64_t group = op.heads / op.kv_heads;
  const int64_t fitting = kScoresInCache / (keys * group) / 32 * 32;
  const int64_t queries = std::clamp<int64_t>(fitting, 32, 128);
  const Job job{op,
                frame,
                q,
                y,
                op.relative ? &distance_bias(frame, op, keys) : nullptr,
                transpose_values(op, frame, keys),
                keys,
                queries};
  const int64_t blocks = (frame.tokens + queries - 1) / queries;
  const int64_t units = frame.batch() * op.kv_heads * blocks;
  // Blocks near the end see more keys: whoever is free takes the next, the longest first.
  std::atomic<int64_t> next = 0;
  at::parallel_for(0, std::min<int64_t>(at::get_num_threads(), units), 1, [&](int64_t, int64_t) {
    for (int64_t unit = next++; unit < units; unit = next++) {
      const int64_t head = unit % (frame.batch() * op.kv_heads);
      const int64_t first = (blocks - 1 - unit / (frame.batch() * op.kv_heads)) * queries;
      attend_block(job, head / op.kv_heads, head % op.kv_heads, first,
                   std::min(queries, frame.tokens - first));
    }
  });
}

}  // namespace mm_orch::torch_backend
