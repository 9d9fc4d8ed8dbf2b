// What the ways of self-attention have in common.
#pragma once

#include <algorithm>
#include <memory>

#include "frame.h"
#include "graph/graph.h"
#include "program.h"

namespace mm_orch::torch_backend {

/// Self-attention with its table of relative positions, if it has one.
struct SelfAttention : graph::Attention {
  std::shared_ptr<const RelativeTable> relative;
  size_t table_index = 0;
  int parts = 3;  // parts_of
};

/// The first key that the token at `position` sees.
inline int64_t first_key(int64_t window, int64_t position) {
  return window > 0 ? std::max<int64_t>(0, position - window + 1) : 0;
}

/// The bias of the `length` keys up to the query itself, of each head.
const DistanceBias& distance_bias(Frame& frame, const SelfAttention& op, int64_t length);

/// True if attend_packed runs on this processor.
bool can_attend_packed(const SelfAttention& op);
/// A prompt's attention by packed products; the cache has the prompt's own keys and values already.
void attend_packed(const SelfAttention& op, Frame& frame, const FedSequence& sequence,
                   const View& q, const View& y);

}  // namespace mm_orch::torch_backend
