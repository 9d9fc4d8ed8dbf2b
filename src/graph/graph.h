// A model as plain data: a list of high-level operations over named weights, in
// topological order. Built once per architecture (src/models), lowered by each
// backend. Letters of shapes: B batch, E source tokens, T new tokens, S past + T,
// H hidden, N query heads, K key/value heads, D head size, V vocabulary.
//
// A node works on one of two sides. The encoder's runs once over a whole source text
// [B, E], the decoder's at every step over the new tokens [B, T]; they meet in
// CrossAttention alone. Most models have one side only.
//
// Attention is one operation and owns its layer's KV cache: how the cache is kept
// is the backend's business.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "mm_orch/export.h"
#include "weights/tensor.h"

namespace mm_orch::graph {

using ValueId = int32_t;   // an output of a node
using WeightId = int32_t;  // an entry of Graph::weights
inline constexpr int32_t kNone = -1;

/// A weight matrix [out, in] or vector [n]. Several stored tensors may be laid one under the other
/// (Q, K and V as one matrix), all with equal row_elements.
struct Weight {
  std::string name;
  std::vector<weights::Tensor> parts;  // concatenated along axis 0
  bool transposed = false;             // stored as [in, out] (GPT-2's Conv1D); then one part only
  std::vector<int64_t> shape;          // logical: [out, in] or [n]
};

// ---- Operations. Inputs are Node::inputs in the order given here. ----

/// () → int64 [B, T], ids in [0, V); on the encoder's side [B, E].
struct TokenIds {};
/// () → int64 [B, T], position of each token in its sequence (padding not counted).
struct Positions {};
/// () → int64 [B, E], 0 for tokens of the first text, 1 for those of the second. Encoder's side.
struct TokenTypes {};
/// (ids int64 [B, T]) → [B, T, H]: rows of `weight` [V, H].
struct Embedding {
  WeightId weight;
};
/// (x [B, T, in]) → [B, T, out] = x · weightᵀ + bias.
struct Linear {
  WeightId weight;
  WeightId bias = kNone;
};
/// (x) → (x − mean) / sqrt(var + epsilon) · weight + bias over the last axis.
/// Source: Ba et al. 2016.
struct LayerNorm {
  WeightId weight;
  WeightId bias = kNone;
  float epsilon = 1e-5f;
};
/// (x) → x / sqrt(mean(x²) + epsilon) · weight over the last axis.
/// Source: Zhang and Sennrich 2019.
struct RmsNorm {
  WeightId weight;
  float epsilon = 1e-6f;
};
/// (x [B, T, n·D], positions) → x with each head rotated, halves convention: with a = x[:D/2],
/// b = x[D/2:] of a head, θ = position · inverse_frequencies: (a·cos θ − b·sin θ, b·cos θ + a·sin
/// θ). Source: Su et al. 2021; scaling is already in the frequencies.
struct Rope {
  int64_t head_size;
  std::vector<float> inverse_frequencies;  // [D/2]
  float attention_factor = 1.0f;           // multiplies cos and sin (YaRN; 1 = off)
};
/// Added to attention scores: the row of `table` [buckets, N] for the distance from query to key.
/// Source: Raffel et al. 2020 (T5); src/graph/relative_position.h has the buckets.
struct RelativePosition {
  WeightId table = kNone;  // kNone: off
  int64_t max_distance = 0;
};
/// (q [B, T, N·D], k [B, T, K·D], v [B, T, K·D]) → [B, T, N·D]: causal attention over the layer's
/// cache, which k and v are appended to; head n reads key/value head n / (N/K).
/// Source: Vaswani et al. 2017; Ainslie et al. 2023 (grouped queries).
struct Attention {
  int32_t layer;
  int64_t heads;
  int64_t kv_heads;
  int64_t head_size;
  float scale;  // usually 1/sqrt(D)
  int64_t window =
      0;  // sliding window: a token sees the last `window` tokens, itself included; 0 = off
  RelativePosition relative = {};
};
/// (q, k, v [B, E, N·D]) → [B, E, N·D]: each source token attends to all of its text.
struct EncoderAttention {
  int64_t heads;
  int64_t head_size;
  float scale;
  RelativePosition relative = {};
};
/// (q [B, T, N·D], k, v [B, E, N·D] of the encoder's side) → [B, T, N·D]: each new token attends to
/// the whole source. Source: Vaswani et al. 2017.
struct CrossAttention {
  int32_t layer;
  int64_t heads;
  int64_t head_size;
  float scale;
};
/// (x [.., n]) → one output per size, along the last axis; the sizes add up to n.
struct Split {
  std::vector<int64_t> sizes;
};
/// (a, b) → a + b, equal shapes.
struct Add {};
/// (a, b) → a · b, equal shapes.
struct Multiply {};
/// (x) → x · sigmoid(x).
struct Silu {};
/// (x) → x · Φ(x); tanh_approximation: 0.5x(1 + tanh(√(2/π)(x + 0.044715x³))).
/// Source: Hendrycks and Gimpel 2016.
struct Gelu {
  bool tanh_approximation = false;
};
/// (x) → max(x, 0).
struct Relu {};
/// (x) → tanh(x).
struct Tanh {};
/// (x) → factor · x.
struct Scale {
  float factor;
};

using Op = std::variant<TokenIds, Positions, TokenTypes, Embedding, Linear, LayerNorm, RmsNorm,
                        Rope, Attention, EncoderAttention, CrossAttention, Split, Add, Multiply,
                        Silu, Gelu, Relu, Tanh, Scale>;

enum class Side { kDecoder, kEncoder };

struct Node {
  Op op;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::string name;  // "model.layers.0.self_attn.q_proj", unique
  Side side = Side::kDecoder;
};

enum class ModelKind {
  kDecoder,         // GPT-2, Llama: text goes on
  kEncoderDecoder,  // T5: a source text becomes another
  kEncoder,         // BERT: a text becomes vectors
};

/// What a session and the generation loop must know of a model.
struct ModelInfo {
  std::string architecture;  // "gpt2", "llama", config.json's model_type
  ModelKind kind = ModelKind::kDecoder;
  int64_t layers = 0;  // of the decoder, where there is one
  int64_t hidden_size = 0;
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_size = 0;
  int64_t vocabulary_size = 0;
  int64_t context_length = 0;    // longest sequence, prompt + new tokens; 0: no limit
  std::vector<int64_t> windows;  // of the decoder's attention, per layer; empty: no layer has one
  bool relative_attention = false;  // the decoder's attention adds a bias of the distance
  int64_t decoder_start_token = 0;  // kEncoderDecoder: what the decoder is fed first
  std::vector<std::string> labels;  // kEncoder with a classification head: its classes
};

struct Graph {
  ModelInfo info;
  std::vector<Weight> weights;
  std::vector<Node> nodes;         // topological order
  std::vector<int64_t> last_axis;  // per ValueId: size of the last axis (0 for ids and positions)
  ValueId logits = kNone;          // [B, T, V]; made by the last node, a Linear; kEncoder: none
  ValueId hidden = kNone;          // [B, E, H]: the encoder's output; kDecoder: none
  ValueId class_logits = kNone;    // [B, E, labels], of which row 0 of each text counts; or none

  int64_t parameter_count() const;
};

/// The name of a node's operation: "Linear".
MM_ORCH_EXPORT const char* op_name(const Op& op);

}  // namespace mm_orch::graph
