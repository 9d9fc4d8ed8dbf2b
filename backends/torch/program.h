// A graph lowered once into flat lists of prepared steps, one for each side. Immutable
// after construction, shared by all sessions of a model.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "backend/backend.h"
#include "buffer_plan.h"
#include "frame.h"
#include "graph/graph.h"
#include "weight_store.h"

namespace mm_orch::torch_backend {

using Step = std::function<void(Frame&)>;

/// T5's bias, [N, 2·max_distance + 1]: of each head by distance, from −max_distance on.
struct RelativeTable {
  graph::WeightId id;
  int64_t heads;
  int64_t max_distance;
  std::vector<float> values;
};

/// One side of a graph.
struct Part {
  BufferPlan plan;
  std::vector<Step> steps;               // without the Linear of the logits
  std::vector<graph::Rope> rope_tables;  // distinct frequencies
  std::vector<RelativeTable> relative_tables;

  void run(Frame& frame) const;
};

class Program {
 public:
  Program(const graph::Graph& graph, Precision precision);

  /// Runs the tokens of frame.sequences, writes their keys and values to the cache, and computes
  /// the logits [rows, V] of frame.logit_rows.
  void run(Frame& frame, std::vector<float>& logits) const;
  /// Reads the source texts of an encoder-decoder model.
  std::shared_ptr<const SourceStates> read_sources(const backend::EncoderInput& texts) const;
  /// A model with an encoder alone.
  backend::EncoderOutput encode(const backend::EncoderInput& texts) const;

  const graph::ModelInfo& info() const { return info_; }

  const std::vector<CacheShape>& cache_shapes() const { return cache_shapes_; }
  uint64_t weight_bytes() const { return weights_.bytes(); }
  Precision precision() const { return weights_.precision(); }

 private:
  void lower_all(const graph::Graph& graph);
  void run_encoder(Frame& frame, const backend::EncoderInput& texts) const;
  void read_limits(const graph::Graph& graph);
  void run_head(Frame& frame, std::vector<float>& logits) const;

  graph::ModelInfo info_;
  WeightStore weights_;
  Part encoder_, decoder_;
  std::vector<CacheShape> cache_shapes_;  // by layer
  size_t cross_layers_ = 0;
  graph::ValueId hidden_, class_logits_;
  graph::Linear head_{graph::kNone};
  graph::ValueId head_input_ = graph::kNone;
  int64_t head_width_ = 0;
};

}  // namespace mm_orch::torch_backend
