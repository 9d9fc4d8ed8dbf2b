// A whole graph as ov::Models, with the inputs and outputs that optimum gives them.
// Decoder, stateful: input_ids i64 [B, T], attention_mask i64 [B, S], position_ids
// i64 [B, T], beam_idx i32 [B] → logits f32 [B, T, V]. The KV cache is in variables
// "past_key_values.N.keypresent.N.key" (and .value) of shape [B, K, S, D].
// Encoder: input_ids, attention_mask i64 [B, E], for BERT token_type_ids i64 [B, E] →
// last_hidden_state f32 [B, E, H]; with a classification head logits f32 [B, labels].
// The decoder of an encoder-decoder model: input_ids, encoder_hidden_states
// f32 [B, E, H], encoder_attention_mask i64 [B, E], beam_idx → logits.
#pragma once

#include <openvino/core/model.hpp>

#include "backend/backend.h"
#include "graph/graph.h"
#include "scratch_file.h"

namespace mm_orch::openvino {

struct Lowered {
  std::shared_ptr<ov::Model> encoder;  // null: the model has none
  std::shared_ptr<ov::Model> decoder;  // null: the model has none
};
/// @param scratch  holds the converted weights; null: the heap does.
Lowered lower(const graph::Graph& graph, backend::Precision precision,
              const backend::Progress& progress = {},
              const std::shared_ptr<ScratchFile>& scratch = nullptr);

}  // namespace mm_orch::openvino
