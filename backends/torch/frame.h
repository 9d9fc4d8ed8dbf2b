// What a run of a program works on: the inputs of the step, the values of the graph in
// their buffers, and the KV cache. The encoder's side has a frame of its own, in which
// texts of unequal length lie one after the other, without padding.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "buffer_plan.h"
#include "kv_cache.h"

namespace mm_orch::torch_backend {

/// float32 [rows, columns] inside a buffer, rows `stride` floats apart.
struct View {
  float* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  float* row(int64_t r) const { return data + r * stride; }
  /// The same memory as a tensor.
  at::Tensor tensor() const;
};

/// cos and sin of each token's angles, [rows, D/2].
struct RopeTable {
  std::vector<float> cos;
  std::vector<float> sin;
};

/// Keys and values that the decoder reads of the source texts: of layer l and text u
/// [N, E_u, D] from float starts[u]·N·D on.
struct SourceStates {
  std::vector<int64_t> starts;  // [U + 1], in rows
  std::vector<std::vector<float>> keys, values;
};

/// Bias by distance of one table of relative positions: what a query adds for the keys before it,
/// nearest last, float32 [N, length].
struct DistanceBias {
  int64_t length = 0;
  std::vector<float> values;
};

struct Frame {
  Frame() : Frame(KvCache({}, 0, 0), {}) {}
  Frame(KvCache kv_cache, std::vector<int64_t> left_padding)
      : cache(std::move(kv_cache)), padding(std::move(left_padding)) {}

  /// Gives each value its place for `rows` rows; does nothing if it has it already.
  void bind(const BufferPlan& plan, int64_t rows);

  KvCache cache;
  std::vector<int64_t> padding;  // [B]
  int64_t past = 0;              // tokens in the cache

  int64_t tokens = 0;              // T of this step
  std::span<const int64_t> ids;    // [B, T]
  std::vector<int64_t> positions;  // [B, T]
  std::vector<int64_t> types;      // encoder's side: of each row
  std::vector<int64_t> starts;     // encoder's side: first row of each text, and the end
  SourceStates* packed = nullptr;  // encoder's side: where cross attention's keys and values go
  std::shared_ptr<const SourceStates> source;  // decoder's side of an encoder-decoder model
  std::vector<int32_t> source_of;              // [B]: each sequence's text
  std::vector<View> values;                    // by ValueId
  std::vector<RopeTable> rope;                 // by index in Program::rope_tables
  std::vector<DistanceBias> distance_bias;     // by index in Part::relative_tables
  at::Tensor mask;  // of a prompt's attention, shared by layers of one window and table
  int64_t mask_window = 0;
  int64_t mask_table = -1;
  int64_t mask_length = 0;       // encoder's side: of the texts that the mask is for
  std::vector<float> scores;     // scratch of attention
  std::vector<float> last_rows;  // [B, H]: what the last Linear reads if only the last token counts
  std::vector<float> logits;

  int64_t batch() const { return static_cast<int64_t>(padding.size()); }

 private:
  int64_t bound_rows_ = 0;
  std::vector<at::Tensor> buffers_;
};

}  // namespace mm_orch::torch_backend
