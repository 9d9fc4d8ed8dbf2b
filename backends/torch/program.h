// A graph lowered once into a flat list of prepared steps. Immutable after
// construction, shared by all sessions of a model.
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

class Program {
 public:
  explicit Program(const graph::Graph& graph);

  /// Runs the T tokens in frame.ids, appends them to the cache and leaves frame.logits.
  void run(Frame& frame, backend::LogitsOf logits_of) const;

  const std::vector<CacheShape>& cache_shapes() const { return cache_shapes_; }
  int64_t vocabulary_size() const { return vocabulary_size_; }
  /// Longest sequence; a very large number if the model sets no limit.
  int64_t context_length() const { return context_length_; }
  uint64_t weight_bytes() const { return weights_.bytes(); }

 private:
  void read_limits(const graph::Graph& graph);
  void run_head(Frame& frame, backend::LogitsOf logits_of) const;

  WeightStore weights_;
  BufferPlan plan_;
  std::vector<Step> steps_;               // all but the last Linear
  std::vector<graph::Rope> rope_tables_;  // distinct frequencies
  std::vector<CacheShape> cache_shapes_;  // by layer
  graph::Linear head_;
  graph::ValueId head_input_;
  int64_t head_width_;
  int64_t vocabulary_size_;
  int64_t context_length_;
};

}  // namespace mm_orch::torch_backend
