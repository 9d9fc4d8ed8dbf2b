#include "program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "mm_orch/errors.h"
#include "ops/lowering.h"

namespace mm_orch::torch_backend {
namespace {

const graph::Linear& head_of(const graph::Graph& graph) {
  const auto* head =
      graph.nodes.empty() ? nullptr : std::get_if<graph::Linear>(&graph.nodes.back().op);
  if (!head || graph.nodes.back().outputs != std::vector{graph.logits})
    throw ModelLoadError(fmt::format(
        "The last operation of a graph must be the Linear that makes the logits; found {}",
        graph.nodes.empty() ? "no operation" : graph::op_name(graph.nodes.back().op)));
  return *head;
}

}  // namespace

Program::Program(const graph::Graph& graph)
    : weights_(graph),
      plan_(plan_buffers(graph)),
      head_(head_of(graph)),
      head_input_(graph.nodes.back().inputs[0]),
      head_width_(graph.last_axis[graph.nodes.back().inputs[0]]) {
  Lowering lowering{graph, weights_, rope_tables_};
  for (size_t i = 0; i + 1 < graph.nodes.size(); ++i) {
    const auto& node = graph.nodes[i];
    if (auto step = lower(node, lowering)) steps_.push_back(std::move(step));
    const auto* attention = std::get_if<graph::Attention>(&node.op);
    if (!attention) continue;
    const auto layer = static_cast<size_t>(attention->layer);
    if (cache_shapes_.size() <= layer) cache_shapes_.resize(layer + 1);
    cache_shapes_[layer] = {attention->kv_heads, attention->head_size};
  }
  read_limits(graph);
}

// Ids and positions index tables: what is checked against them bounds every read.
void Program::read_limits(const graph::Graph& graph) {
  const auto unlimited = std::numeric_limits<int64_t>::max();
  const auto& info = graph.info;
  vocabulary_size_ = info.vocabulary_size > 0 ? info.vocabulary_size : unlimited;
  context_length_ = info.context_length > 0 ? info.context_length : unlimited;
  graph::ValueId positions = graph::kNone;
  for (const auto& node : graph.nodes) {
    if (std::holds_alternative<graph::Positions>(node.op)) positions = node.outputs[0];
    const auto* embedding = std::get_if<graph::Embedding>(&node.op);
    if (!embedding) continue;
    auto& limit = node.inputs[0] == positions ? context_length_ : vocabulary_size_;
    limit = std::min(limit, weights_[embedding->weight].size(0));
  }
}

void Program::run(Frame& frame, backend::LogitsOf logits_of) const {
  frame.bind(plan_, static_cast<int64_t>(frame.ids.size()));
  frame.rope.resize(rope_tables_.size());
  for (size_t i = 0; i < rope_tables_.size(); ++i)
    fill_rope_table(rope_tables_[i], frame.positions, frame.rope[i]);
  for (const auto& step : steps_) step(frame);
  run_head(frame, logits_of);
}

void Program::run_head(Frame& frame, backend::LogitsOf logits_of) const {
  View x = frame.values[head_input_];
  if (logits_of == backend::LogitsOf::kLastToken && frame.tokens > 1) {
    frame.last_rows.resize(static_cast<size_t>(frame.batch() * head_width_));
    for (int64_t b = 0; b < frame.batch(); ++b)
      std::memcpy(&frame.last_rows[b * head_width_], x.row((b + 1) * frame.tokens - 1),
                  static_cast<size_t>(head_width_) * sizeof(float));
    x = {frame.last_rows.data(), frame.batch(), head_width_, head_width_};
  }
  const auto& weight = weights_[head_.weight];
  const int64_t vocabulary = weight.size(0);
  frame.logits.resize(static_cast<size_t>(x.rows * vocabulary));
  apply_linear(weight, weights_.data_or_null(head_.bias), x,
               {frame.logits.data(), x.rows, vocabulary, vocabulary});
}

}  // namespace mm_orch::torch_backend
