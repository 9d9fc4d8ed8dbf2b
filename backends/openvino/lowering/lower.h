// A whole graph as a stateful ov::Model. Inputs, as optimum names them: input_ids
// i64 [B, T], attention_mask i64 [B, S], position_ids i64 [B, T], beam_idx i32 [B].
// Output: logits f32 [B, T, V]. The KV cache is in variables
// "past_key_values.N.keypresent.N.key" (and .value) of shape [B, K, S, D].
#pragma once

#include <openvino/core/model.hpp>

#include "backend/backend.h"
#include "graph/graph.h"

namespace mm_orch::openvino {

std::shared_ptr<ov::Model> lower(const graph::Graph& graph, backend::Precision precision,
                                 const backend::Progress& progress = {});

}  // namespace mm_orch::openvino
