#include "graph/builder.h"

#include <fmt/format.h>

#include <numeric>
#include <stdexcept>

namespace mm_orch::graph {

GraphBuilder::GraphBuilder(ModelInfo info) { graph_.info = std::move(info); }

WeightId GraphBuilder::add_weight(Weight weight) {
  graph_.weights.push_back(std::move(weight));
  return static_cast<WeightId>(graph_.weights.size() - 1);
}

WeightId GraphBuilder::weight(weights::Tensor tensor, bool transposed) {
  Weight weight{tensor.name, {}, transposed, tensor.shape};
  if (transposed) {
    require(tensor.shape.size() == 2, tensor.name, "only a matrix can be transposed");
    std::swap(weight.shape[0], weight.shape[1]);
  }
  weight.parts.push_back(std::move(tensor));
  return add_weight(std::move(weight));
}

WeightId GraphBuilder::packed_weight(const std::string& name, std::vector<weights::Tensor> parts) {
  require(!parts.empty(), name, "a packed weight has parts");
  Weight weight{name, {}, false, parts.front().shape};
  weight.shape[0] = 0;
  for (const auto& part : parts) {
    require(part.shape.size() == weight.shape.size() &&
                part.row_elements() == parts.front().row_elements(),
            name, "packed weights have equal rows");
    weight.shape[0] += part.shape[0];
  }
  weight.parts = std::move(parts);
  return add_weight(std::move(weight));
}

std::vector<ValueId> GraphBuilder::append(const std::string& name, Op op,
                                          std::vector<ValueId> inputs,
                                          const std::vector<int64_t>& output_sizes,
                                          Side source_side) {
  require(names_.insert(name).second, name, "node names are unique");
  const Side side = side_of(name, op, inputs, source_side);
  Node node{std::move(op), std::move(inputs), {}, name, side};
  for (const int64_t output_size : output_sizes) {
    node.outputs.push_back(static_cast<ValueId>(graph_.last_axis.size()));
    graph_.last_axis.push_back(output_size);
    sides_.push_back(side);
  }
  graph_.nodes.push_back(std::move(node));
  return graph_.nodes.back().outputs;
}

// Operands lie on one side; only CrossAttention reads from the other.
Side GraphBuilder::side_of(const std::string& name, const Op& op,
                           const std::vector<ValueId>& inputs, Side source_side) const {
  if (inputs.empty()) return source_side;
  const Side side = sides_.at(inputs[0]);
  const bool crosses = std::holds_alternative<CrossAttention>(op);
  for (size_t i = 1; i < inputs.size(); ++i)
    require(sides_.at(inputs[i]) == (crosses ? Side::kEncoder : side), name,
            "operands lie on the side that the operation reads");
  require(!std::holds_alternative<EncoderAttention>(op) || side == Side::kEncoder, name,
          "encoder attention lies on the encoder's side");
  require(!(crosses || std::holds_alternative<Attention>(op)) || side == Side::kDecoder, name,
          "attention with a cache, or across, lies on the decoder's side");
  return side;
}

static std::string source_name(const char* name, Side side) {
  return side == Side::kEncoder ? fmt::format("encoder.{}", name) : name;
}

ValueId GraphBuilder::token_ids(Side side) {
  return append(source_name("input_ids", side), TokenIds{}, {}, {0}, side)[0];
}

ValueId GraphBuilder::positions(Side side) {
  return append(source_name("position_ids", side), Positions{}, {}, {0}, side)[0];
}

ValueId GraphBuilder::token_types() {
  return append("token_type_ids", TokenTypes{}, {}, {0}, Side::kEncoder)[0];
}

ValueId GraphBuilder::embedding(const std::string& name, ValueId ids, WeightId weight) {
  const auto& shape = graph_.weights.at(weight).shape;
  require(size(ids) == 0 && shape.size() == 2, name, "embedding takes ids and a matrix");
  return append(name, Embedding{weight}, {ids}, {shape[1]})[0];
}

ValueId GraphBuilder::linear(const std::string& name, ValueId x, WeightId weight, WeightId bias) {
  const auto& shape = graph_.weights.at(weight).shape;
  require(shape.size() == 2 && shape[1] == size(x), name, "linear's matrix is [out, in of x]");
  if (bias != kNone) require_vector(bias, shape[0], name);
  return append(name, Linear{weight, bias}, {x}, {shape[0]})[0];
}

ValueId GraphBuilder::layer_norm(const std::string& name, ValueId x, const LayerNorm& op) {
  require_vector(op.weight, size(x), name);
  if (op.bias != kNone) require_vector(op.bias, size(x), name);
  return append(name, op, {x}, {size(x)})[0];
}

ValueId GraphBuilder::rms_norm(const std::string& name, ValueId x, const RmsNorm& op) {
  require_vector(op.weight, size(x), name);
  return append(name, op, {x}, {size(x)})[0];
}

ValueId GraphBuilder::rope(const std::string& name, ValueId x, ValueId positions, const Rope& op) {
  require(size(positions) == 0 && op.head_size > 0 && size(x) % op.head_size == 0 &&
              static_cast<int64_t>(op.inverse_frequencies.size()) * 2 == op.head_size,
          name, "rope takes whole heads and D/2 frequencies");
  return append(name, op, {x, positions}, {size(x)})[0];
}

ValueId GraphBuilder::attention(const std::string& name, ValueId q, ValueId k, ValueId v,
                                const Attention& op) {
  require(op.kv_heads > 0 && op.heads % op.kv_heads == 0 && size(q) == op.heads * op.head_size &&
              size(k) == op.kv_heads * op.head_size && size(v) == size(k),
          name, "attention's heads match q, k and v");
  require(op.layer >= 0 && op.layer < graph_.info.layers && op.window >= 0, name,
          "attention names a layer of the model");
  require_relative(op.relative, op.heads, name);
  auto& info = graph_.info;
  info.relative_attention |= op.relative.table != kNone;
  if (op.window > 0) {
    info.windows.resize(static_cast<size_t>(info.layers), 0);
    info.windows[static_cast<size_t>(op.layer)] = op.window;
  }
  return append(name, op, {q, k, v}, {size(q)})[0];
}

ValueId GraphBuilder::encoder_attention(const std::string& name, ValueId q, ValueId k, ValueId v,
                                        const EncoderAttention& op) {
  require(size(q) == op.heads * op.head_size && size(k) == size(q) && size(v) == size(q), name,
          "attention's heads match q, k and v");
  require_relative(op.relative, op.heads, name);
  return append(name, op, {q, k, v}, {size(q)})[0];
}

ValueId GraphBuilder::cross_attention(const std::string& name, ValueId q, ValueId k, ValueId v,
                                      const CrossAttention& op) {
  require(size(q) == op.heads * op.head_size && size(k) == size(q) && size(v) == size(q), name,
          "attention's heads match q, k and v");
  require(op.layer >= 0 && op.layer < graph_.info.layers, name,
          "attention names a layer of the model");
  return append(name, op, {q, k, v}, {size(q)})[0];
}

void GraphBuilder::require_relative(const RelativePosition& relative, int64_t heads,
                                    const std::string& name) const {
  if (relative.table == kNone) return;
  const auto& shape = graph_.weights.at(relative.table).shape;
  require(shape.size() == 2 && shape[0] >= 4 && shape[1] == heads, name,
          "a table of relative positions is [buckets, heads]");
  require(relative.max_distance > shape[0] / 2, name, "buckets end below the largest distance");
}

std::vector<ValueId> GraphBuilder::split(const std::string& name, ValueId x,
                                         std::vector<int64_t> sizes) {
  require(std::accumulate(sizes.begin(), sizes.end(), int64_t{0}) == size(x), name,
          "split sizes add up");
  return append(name, Split{sizes}, {x}, sizes);
}

ValueId GraphBuilder::add(const std::string& name, ValueId a, ValueId b) {
  require(size(a) == size(b), name, "operands have equal sizes");
  return append(name, Add{}, {a, b}, {size(a)})[0];
}

ValueId GraphBuilder::multiply(const std::string& name, ValueId a, ValueId b) {
  require(size(a) == size(b), name, "operands have equal sizes");
  return append(name, Multiply{}, {a, b}, {size(a)})[0];
}

ValueId GraphBuilder::silu(const std::string& name, ValueId x) {
  return append(name, Silu{}, {x}, {size(x)})[0];
}

ValueId GraphBuilder::gelu(const std::string& name, ValueId x, const Gelu& op) {
  return append(name, op, {x}, {size(x)})[0];
}

ValueId GraphBuilder::relu(const std::string& name, ValueId x) {
  return append(name, Relu{}, {x}, {size(x)})[0];
}

ValueId GraphBuilder::tanh(const std::string& name, ValueId x) {
  return append(name, Tanh{}, {x}, {size(x)})[0];
}

ValueId GraphBuilder::scale(const std::string& name, ValueId x, float factor) {
  return append(name, Scale{factor}, {x}, {size(x)})[0];
}

void GraphBuilder::set_hidden(ValueId hidden) {
  require(sides_.at(hidden) == Side::kEncoder, "hidden", "the encoder's output is on its side");
  graph_.hidden = hidden;
}

Graph GraphBuilder::finish_encoder(ValueId class_logits) {
  require(graph_.hidden != kNone, "hidden", "an encoder has an output");
  graph_.class_logits = class_logits;
  return std::move(graph_);
}

Graph GraphBuilder::finish(const std::string& name, ValueId x, WeightId weight) {
  graph_.logits = linear(name, x, weight);
  require(size(graph_.logits) == graph_.info.vocabulary_size, name, "logits cover the vocabulary");
  return std::move(graph_);
}

int64_t GraphBuilder::size(ValueId value) const { return graph_.last_axis.at(value); }

void GraphBuilder::require(bool condition, const std::string& name, const std::string& rule) const {
  if (!condition) throw std::logic_error(fmt::format("graph node {}: {}", name, rule));
}

void GraphBuilder::require_vector(WeightId id, int64_t size, const std::string& name) const {
  const auto& shape = graph_.weights.at(id).shape;
  require(shape.size() == 1 && shape[0] == size, name, "weights of a norm and biases are vectors");
}

}  // namespace mm_orch::graph
