// A graph's weights as float32 tensors [out, in] or [n]. A stored tensor that
// already is what is needed stays in its mapped file; the others are read into one
// block of memory.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace mm_orch::torch_backend {

class WeightStore {
 public:
  explicit WeightStore(const graph::Graph& graph);

  const at::Tensor& operator[](graph::WeightId id) const { return tensors_[id]; }
  const float* data(graph::WeightId id) const { return tensors_[id].const_data_ptr<float>(); }
  /// data(), or null for kNone.
  const float* data_or_null(graph::WeightId id) const {
    return id == graph::kNone ? nullptr : data(id);
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::vector<at::Tensor> tensors_;
  uint64_t bytes_ = 0;
};

}  // namespace mm_orch::torch_backend
