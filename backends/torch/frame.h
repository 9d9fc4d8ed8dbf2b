// What a run of a program works on: the inputs of the step and the values of the graph in their
// buffers. Sequences, on the encoder's side texts, lie one after the other, each with as many rows
// as it has tokens. The encoder's side has a frame of its own.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backend/paged.h"
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

/// One of the texts of SourceStates.
struct SourceText : backend::EncodedSource {
  SourceText(std::shared_ptr<const SourceStates> all, size_t which)
      : states(std::move(all)), text(which) {}
  std::shared_ptr<const SourceStates> states;
  size_t text;
};

/// The tokens of one sequence in a step of the decoder.
struct FedSequence {
  int64_t first_row = 0;
  int64_t tokens = 0;
  int64_t past = 0;                    // tokens that the cache holds before
  const int32_t* blocks = nullptr;     // of the cache, in order of its tokens
  const SourceText* source = nullptr;  // of an encoder-decoder model

  int64_t end() const { return past + tokens; }
};

struct Frame {
  /// Gives each value its place for `rows` rows.
  void bind(const BufferPlan& plan, int64_t rows);

  std::vector<int64_t> ids;        // of each row
  std::vector<int64_t> positions;  // of each row
  std::vector<View> values;        // by ValueId
  std::vector<RopeTable> rope;     // by index in Part::rope_tables
  at::Tensor mask;                 // of a prompt's attention, kept for the layers that share it

  // The decoder's side.
  KvCache* cache = nullptr;
  std::vector<FedSequence> sequences;
  std::vector<size_t> sequence_of;          // of each row
  std::vector<int64_t> few_rows;            // rows of sequences of kFewTokens tokens at most
  std::vector<int64_t> logit_rows;          // of which logits are wanted
  std::vector<float> logit_inputs;          // those rows of what the last Linear reads
  std::vector<DistanceBias> distance_bias;  // by index in Part::relative_tables
  std::vector<std::byte> transposed;        // values of a prompt's attention
  const FedSequence* mask_sequence = nullptr;
  int64_t mask_window = 0;

  // The encoder's side.
  std::vector<int64_t> types;      // of each row
  std::vector<int64_t> starts;     // first row of each text, and the end
  SourceStates* packed = nullptr;  // where cross attention's keys and values go
  int64_t mask_length = 0;

  int64_t mask_table = -1;

 private:
  int64_t bound_rows_ = 0, room_ = 0;
  std::vector<at::Tensor> buffers_;
};

/// Sequences of so few tokens attend token by token.
inline constexpr int64_t kFewTokens = 8;

}  // namespace mm_orch::torch_backend
