// A prompt's attention as two packed products for each block of queries: the scores of the keys,
// and the values weighted by them. The heads that share keys and values go together, so that these
// are packed once for all of them. In bfloat16 it has a kernel of its own
// (kernels/prompt_attention.h).

#include "kernels/prompt_attention.h"

#include "kernels/attention.h"
#include "kernels/packed_linear.h"
#include "ops/aligned.h"
#include "ops/parallel.h"
#include "ops/self_attention.h"

namespace mm_orch::torch_backend {
namespace {

constexpr int64_t kBlock = 16;               // rows that are packed together
constexpr int64_t kScoresInCache = 3 << 17;  // floats

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

struct Job {
  const SelfAttention& op;
  const KvCache& cache;
  const FedSequence& sequence;
  View q, y;
  const DistanceBias* bias;
  const std::byte* transposed_values;  // [K, D, S]
  int64_t queries;                     // of a block

  int64_t keys() const { return sequence.end(); }  // S
};

// Rows [count, D] become columns of [D, S] from `key` on.
template <class Element>
void transpose_block(const std::byte* rows, int64_t count, int64_t head_size, int64_t key,
                     int64_t keys, std::byte* out) {
  const auto* in = reinterpret_cast<const Element*>(rows);
  auto* target = reinterpret_cast<Element*>(out) + key;
  for (int64_t first = 0; first < count; first += kBlock)
    for (int64_t i = 0; i < head_size; ++i)
      for (int64_t t = first; t < std::min(first + kBlock, count); ++t)
        target[i * keys + t] = in[t * head_size + i];
}

// The sequence's values in the cache as [K, D, S].
const std::byte* transpose_values(const SelfAttention& op, Frame& frame,
                                  const FedSequence& sequence) {
  const int64_t keys = sequence.end();
  const bool floats = frame.cache->dtype() == DType::kF32;
  const int64_t bytes = op.head_size * kernels::row_bytes(frame.cache->dtype(), keys);  // of a head
  std::byte* out = aligned(frame.transposed, op.kv_heads * bytes);
  parallel_for(op.kv_heads, 1, [&](int64_t first, int64_t last) {
    for (int64_t h = first; h < last; ++h) {
      const auto head = frame.cache->head(op.layer, h, sequence.blocks);
      for (int64_t key = 0; key < keys; key += head.block_tokens) {
        const auto* rows = head.values + head.blocks[key / head.block_tokens] * head.block_bytes;
        const int64_t count = std::min(head.block_tokens, keys - key);
        (floats ? transpose_block<float> : transpose_block<uint16_t>)(rows, count, op.head_size,
                                                                      key, keys, out + h * bytes);
      }
    }
  });
  return out;
}

// Queries [first, first + count) of the heads that share a key/value head.
void attend_block(const Job& job, int64_t kv_head, int64_t first, int64_t count) {
  static thread_local std::vector<uint16_t> packed_buffer, scratch_buffer;
  static thread_local std::vector<float> scores_buffer;
  const auto& op = job.op;
  const int64_t group = op.heads / op.kv_heads;
  const int64_t padded = round_up(count, kBlock);  // each head begins a packed block
  const int64_t rows = group * padded;
  const int64_t offset = job.sequence.past + first;  // position of the first query
  const int64_t begin =
      first_key(op.window, offset) / KvCache::kBlockTokens * KvCache::kBlockTokens;
  const int64_t seen = offset + count - begin;  // keys from `begin` on
  const int64_t stride = round_up(seen, kBlock) + kBlock;
  float* scores = aligned(scores_buffer, rows * std::max(stride, op.head_size));

  const auto pack = [&](const float* x, int64_t x_stride, int64_t columns, int64_t head,
                        uint16_t* packed) {
    const kernels::PackedRows part{packed, count, columns, op.parts};
    kernels::pack_rows(x, x_stride, part, 0, padded / kBlock,
                       packed + kernels::packed_size(head * padded, columns, op.parts));
  };
  const auto multiply = [&](const kernels::PackedArgs& args) {
    auto* scratch = aligned(scratch_buffer, kernels::panel_scratch_size(args.x));
    kernels::packed_linear(args, 0, (args.out + kernels::kPanel - 1) / kernels::kPanel, scratch);
  };

  auto* packed =
      aligned(packed_buffer, kernels::packed_size(rows, std::max(seen, op.head_size), op.parts));
  for (int64_t h = 0; h < group; ++h)
    pack(job.q.row(job.sequence.first_row + first) + (kv_head * group + h) * op.head_size,
         job.q.stride, op.head_size, h, packed);
  const auto head = job.cache.head(op.layer, kv_head, job.sequence.blocks);
  const int64_t element_bytes = dtype_info(head.dtype).block_bytes;
  for (int64_t key = 0; key < seen; key += head.block_tokens)
    multiply({{packed, rows, op.head_size, op.parts},
              kernels::Rows{
                  head.keys + head.blocks[(begin + key) / head.block_tokens] * head.block_bytes,
                  op.head_size * element_bytes, head.dtype},
              std::min(head.block_tokens, seen - key),
              nullptr,
              scores + key,
              stride});

  for (int64_t h = 0; h < group; ++h) {
    for (int64_t t = 0; t < count; ++t) {
      float* row = scores + (h * padded + t) * stride;
      const int64_t position = offset + t;
      const int64_t from = first_key(op.window, position);
      const int64_t length = position + 1 - from;
      std::fill(row, row + from - begin, 0.0f);
      const int64_t own = kv_head * group + h;
      const auto* bias = job.bias;
      kernels::softmax(row + from - begin, length, op.scale,
                       bias ? &bias->values[(own + 1) * bias->length - length] : nullptr);
      std::fill(row + from - begin + length, row + seen, 0.0f);
    }
    pack(scores + h * padded * stride, stride, seen, h, packed);
  }
  // The sums of all heads one under the other, then each to its columns of y.
  float* sums = scores;
  multiply({{packed, rows, seen, op.parts},
            kernels::Rows{job.transposed_values +
                              (kv_head * op.head_size * job.keys() + begin) * element_bytes,
                          job.keys() * element_bytes, head.dtype},
            op.head_size,
            nullptr,
            sums,
            op.head_size});
  for (int64_t h = 0; h < group; ++h)
    for (int64_t t = 0; t < count; ++t)
      std::copy_n(
          sums + (h * padded + t) * op.head_size, op.head_size,
          job.y.row(job.sequence.first_row + first + t) + (kv_head * group + h) * op.head_size);
}

void attend_in_bf16(const SelfAttention& op, Frame& frame, const FedSequence& sequence,
                    const View& q, const View& y) {
  static_assert(KvCache::kBlockTokens == kernels::kPromptKeys);
  static thread_local std::vector<float> scratch_buffer;
  const auto head_of = [&](int64_t kv_head) {
    return frame.cache->head(op.layer, kv_head, sequence.blocks);
  };
  const int64_t blocks = (sequence.end() + kernels::kPromptKeys - 1) / kernels::kPromptKeys;
  const int64_t block_size = op.head_size * kernels::kPromptKeys;
  auto* transposed =
      reinterpret_cast<uint16_t*>(aligned(frame.transposed, 2 * op.kv_heads * blocks * block_size));
  parallel_for(op.kv_heads * blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto head = head_of(i / blocks);
      const int64_t block = i % blocks;
      const int64_t count =
          std::min(kernels::kPromptKeys, sequence.end() - block * kernels::kPromptKeys);
      kernels::transpose_values(head.values + head.blocks[block] * head.block_bytes, count,
                                op.head_size, transposed + i * block_size);
    }
  });
  const int64_t groups = (sequence.tokens + kernels::kPromptQueries - 1) / kernels::kPromptQueries;
  // Those near the end see more keys: the longest first.
  parallel_for(op.heads * groups, 1, [&](int64_t begin, int64_t end) {
    float* scratch = aligned(scratch_buffer, kernels::prompt_scratch_size(op.head_size));
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = (groups - 1 - unit / op.heads) * kernels::kPromptQueries;
      const int64_t head = unit % op.heads;
      const int64_t kv_head = head / (op.heads / op.kv_heads);
      const int64_t row = sequence.first_row + first, column = head * op.head_size;
      kernels::attend_prompt(
          {q.row(row) + column, q.stride,
           std::min(kernels::kPromptQueries, sequence.tokens - first), sequence.past + first,
           head_of(kv_head), transposed + kv_head * blocks * block_size, op.head_size, op.window,
           op.scale, y.row(row) + column, y.stride},
          scratch);
    }
  });
}

// By the kernel for it.
bool in_bf16(const SelfAttention& op) {
  return op.parts == 1 && !op.relative && op.head_size % 32 == 0;
}

}  // namespace

bool can_attend_packed(const SelfAttention& op) {
  return kernels::has_amx() || (kernels::multiplies_bf16() && in_bf16(op));
}

void attend_packed(const SelfAttention& op, Frame& frame, const FedSequence& sequence,
                   const View& q, const View& y) {
  if (in_bf16(op)) return attend_in_bf16(op, frame, sequence, q, y);
  const int64_t group = op.heads / op.kv_heads;
  const int64_t fitting = kScoresInCache / (sequence.end() * group) / 32 * 32;
  const int64_t queries = std::clamp<int64_t>(fitting, 32, 128);
  const Job job{op,
                *frame.cache,
                sequence,
                q,
                y,
                op.relative ? &distance_bias(frame, op, sequence.end()) : nullptr,
                transpose_values(op, frame, sequence),
                queries};
  const int64_t blocks = (sequence.tokens + queries - 1) / queries;
  const int64_t units = op.kv_heads * blocks;
  // Blocks near the end see more keys: the longest first.
  parallel_for(units, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = (blocks - 1 - unit / op.kv_heads) * queries;
      attend_block(job, unit % op.kv_heads, first, std::min(queries, sequence.tokens - first));
    }
  });
}

}  // namespace mm_orch::torch_backend
