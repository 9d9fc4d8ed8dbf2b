// Writes a graph operation by operation; each call checks its operands, so that a
// finished graph is well formed: topological order, matching sizes, unique names.
// A broken rule is a fault of the architecture's code: std::logic_error.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "graph/graph.h"

namespace mm_orch::graph {

class MM_ORCH_EXPORT GraphBuilder {
 public:
  explicit GraphBuilder(ModelInfo info);

  /// A matrix or vector under its stored shape ([in, out] if `transposed`).
  WeightId weight(weights::Tensor tensor, bool transposed = false);
  /// Matrices [out_i, in] (or vectors [n_i]) laid one under the other.
  WeightId packed_weight(const std::string& name, std::vector<weights::Tensor> parts);

  ValueId token_ids(Side side = Side::kDecoder);
  ValueId positions(Side side = Side::kDecoder);
  ValueId token_types();
  ValueId embedding(const std::string& name, ValueId ids, WeightId weight);
  ValueId linear(const std::string& name, ValueId x, WeightId weight, WeightId bias = kNone);
  ValueId layer_norm(const std::string& name, ValueId x, const LayerNorm& op);
  ValueId rms_norm(const std::string& name, ValueId x, const RmsNorm& op);
  ValueId rope(const std::string& name, ValueId x, ValueId positions, const Rope& op);
  ValueId attention(const std::string& name, ValueId q, ValueId k, ValueId v, const Attention& op);
  ValueId encoder_attention(const std::string& name, ValueId q, ValueId k, ValueId v,
                            const EncoderAttention& op);
  ValueId cross_attention(const std::string& name, ValueId q, ValueId k, ValueId v,
                          const CrossAttention& op);
  std::vector<ValueId> split(const std::string& name, ValueId x, std::vector<int64_t> sizes);
  ValueId add(const std::string& name, ValueId a, ValueId b);
  ValueId multiply(const std::string& name, ValueId a, ValueId b);
  ValueId silu(const std::string& name, ValueId x);
  ValueId gelu(const std::string& name, ValueId x, const Gelu& op);
  ValueId relu(const std::string& name, ValueId x);
  ValueId tanh(const std::string& name, ValueId x);
  ValueId scale(const std::string& name, ValueId x, float factor);

  /// Says which value is the encoder's output.
  void set_hidden(ValueId hidden);
  /// The vocabulary projection ends the graph; its output is the logits.
  Graph finish(const std::string& name, ValueId x, WeightId weight);
  /// Ends the graph of a model with an encoder alone.
  Graph finish_encoder(ValueId class_logits = kNone);

 private:
  std::vector<ValueId> append(const std::string& name, Op op, std::vector<ValueId> inputs,
                              const std::vector<int64_t>& output_sizes,
                              Side source_side = Side::kDecoder);
  Side side_of(const std::string& name, const Op& op, const std::vector<ValueId>& inputs,
               Side source_side) const;
  void require_relative(const RelativePosition& relative, int64_t heads,
                        const std::string& name) const;
  int64_t size(ValueId value) const;  // of the last axis
  void require(bool condition, const std::string& name, const std::string& rule) const;
  void require_vector(WeightId id, int64_t size, const std::string& name) const;
  WeightId add_weight(Weight weight);

  Graph graph_;
  std::vector<Side> sides_;  // by ValueId
  std::unordered_set<std::string> names_;
};

}  // namespace mm_orch::graph
