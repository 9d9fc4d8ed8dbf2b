#include "program.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "mm_orch/errors.h"
#include "ops/lowering.h"

namespace mm_orch::torch_backend {
namespace {

const graph::Node* head_of(const graph::Graph& graph) {
  if (graph.info.kind == graph::ModelKind::kEncoder) return nullptr;
  if (graph.nodes.empty() || !std::holds_alternative<graph::Linear>(graph.nodes.back().op) ||
      graph.nodes.back().outputs != std::vector{graph.logits})
    throw ModelLoadError(fmt::format(
        "The last operation of a graph must be the Linear that makes the logits; found {}",
        graph.nodes.empty() ? "no operation" : graph::op_name(graph.nodes.back().op)));
  return &graph.nodes.back();
}

}  // namespace

Program::Program(const graph::Graph& graph, Precision precision)
    : info_(graph.info),
      weights_(graph, precision),
      encoder_{plan_buffers(graph, graph::Side::kEncoder), {}, {}, {}},
      decoder_{plan_buffers(graph, graph::Side::kDecoder), {}, {}, {}},
      hidden_(graph.hidden),
      class_logits_(graph.class_logits) {
  lower_all(graph);
  read_limits(graph);
}

void Program::lower_all(const graph::Graph& graph) {
  const graph::Node* head = head_of(graph);
  if (head) {
    head_ = std::get<graph::Linear>(head->op);
    head_input_ = head->inputs[0];
    head_width_ = graph.last_axis[head_input_];
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto& node = graph.nodes[i];
    if (&node == head) continue;
    Part& part = node.side == graph::Side::kEncoder ? encoder_ : decoder_;
    Lowering lowering{graph, weights_, part};
    if (const size_t count = gated_mlp_at(graph, i); count > 0) {
      part.steps.push_back(lower_gated_mlp(&node, lowering));
      i += count - 1;
      continue;
    }
    if (auto step = lower(node, lowering)) part.steps.push_back(std::move(step));
    if (const auto* attention = std::get_if<graph::Attention>(&node.op)) {
      const auto layer = static_cast<size_t>(attention->layer);
      if (cache_shapes_.size() <= layer) cache_shapes_.resize(layer + 1);
      cache_shapes_[layer] = {attention->kv_heads, attention->head_size};
    } else if (const auto* cross = std::get_if<graph::CrossAttention>(&node.op)) {
      encoder_.steps.push_back(pack_source(*cross, node));
      cross_layers_ = std::max(cross_layers_, static_cast<size_t>(cross->layer) + 1);
    }
  }
}

// Ids and positions index tables: what is checked against them bounds every read.
void Program::read_limits(const graph::Graph& graph) {
  const auto unlimited = std::numeric_limits<int64_t>::max();
  const auto& info = graph.info;
  int64_t vocabulary_size = info.vocabulary_size > 0 ? info.vocabulary_size : unlimited;
  int64_t context_length = info.context_length > 0 ? info.context_length : unlimited;
  for (const auto& node : graph.nodes) {
    const auto* embedding = std::get_if<graph::Embedding>(&node.op);
    if (!embedding) continue;
    const int64_t rows = weights_.matrix(embedding->weight).rows;
    switch (index_source(graph, node.inputs[0])) {
      case IndexSource::kPositions:
        context_length = std::min(context_length, rows);
        break;
      case IndexSource::kTokens:
        vocabulary_size = std::min(vocabulary_size, rows);
        break;
      case IndexSource::kTypes:
        break;
    }
  }
  info_.vocabulary_size = vocabulary_size;
  if (context_length != unlimited) info_.context_length = context_length;
}

void Part::run(Frame& frame) const {
  frame.bind(plan, static_cast<int64_t>(frame.ids.size()));
  frame.rope.resize(rope_tables.size());
  for (size_t i = 0; i < rope_tables.size(); ++i)
    fill_rope_table(rope_tables[i], frame.positions, frame.rope[i]);
  frame.distance_bias.resize(relative_tables.size());
  for (const auto& step : steps) step(frame);
}

void Program::run(Frame& frame, std::vector<float>& logits) const {
  decoder_.run(frame);
  run_head(frame, logits);
}

void Program::run_encoder(Frame& frame, const backend::EncoderInput& texts) const {
  frame.starts = {0};
  for (size_t i = 0; i < texts.tokens.size(); ++i) {
    const auto& tokens = texts.tokens[i];
    frame.ids.insert(frame.ids.end(), tokens.begin(), tokens.end());
    if (!texts.types.empty())
      frame.types.insert(frame.types.end(), texts.types[i].begin(), texts.types[i].end());
    for (size_t t = 0; t < tokens.size(); ++t) frame.positions.push_back(static_cast<int64_t>(t));
    frame.starts.push_back(static_cast<int64_t>(frame.ids.size()));
  }
  frame.types.resize(frame.ids.size(), 0);
  encoder_.run(frame);
}

std::shared_ptr<const SourceStates> Program::read_sources(
    const backend::EncoderInput& texts) const {
  auto states = std::make_shared<SourceStates>();
  states->keys.resize(cross_layers_);
  states->values.resize(cross_layers_);
  Frame frame;
  frame.packed = states.get();
  run_encoder(frame, texts);
  states->starts = frame.starts;
  return states;
}

backend::EncoderOutput Program::encode(const backend::EncoderInput& texts) const {
  Frame frame;
  run_encoder(frame, texts);
  backend::EncoderOutput output;
  const View hidden = frame.values[hidden_];
  for (int64_t r = 0; r < hidden.rows; ++r)
    output.hidden.insert(output.hidden.end(), hidden.row(r), hidden.row(r) + hidden.columns);
  if (class_logits_ == graph::kNone) return output;
  const View logits = frame.values[class_logits_];
  for (size_t i = 0; i + 1 < frame.starts.size(); ++i) {
    const float* row = logits.row(frame.starts[i]);
    output.class_logits.insert(output.class_logits.end(), row, row + logits.columns);
  }
  return output;
}

void Program::run_head(Frame& frame, std::vector<float>& logits) const {
  const auto& weight = weights_.matrix(head_.weight);
  const auto wanted = static_cast<int64_t>(frame.logit_rows.size());
  logits.resize(static_cast<size_t>(wanted * weight.rows));
  if (wanted == 0) return;
  View x = frame.values[head_input_];
  if (wanted < x.rows) {
    frame.logit_inputs.resize(static_cast<size_t>(wanted * head_width_));
    for (int64_t i = 0; i < wanted; ++i)
      std::copy_n(x.row(frame.logit_rows[i]), head_width_, &frame.logit_inputs[i * head_width_]);
    x = {frame.logit_inputs.data(), wanted, head_width_, head_width_};
  }
  apply_linear(weight, weights_.vector_or_null(head_.bias), weights_.precision(), x,
               {logits.data(), wanted, weight.rows, weight.rows});
}

}  // namespace mm_orch::torch_backend
