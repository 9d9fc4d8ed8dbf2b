// From a T5's stateful decoder, as it lies on disk, to one whose attention reads a paged cache and
// sources of unequal length.
#pragma once

#include <memory>
#include <openvino/core/model.hpp>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace mm_orch::openvino {

/// A form of `decoder` with a StepAttention in place of each attention; `decoder` stays as it is.
/// Its inputs: input_ids [1, T], kStepInput and kLogitRows.
/// @param source_names  of the states of the source (move_source_part) that the decoder reads;
///                      become those that the form's layers read: keys and values of each, f32
///                      [texts, N, E, D].
/// @return              null if it is not the decoder of a T5 as `lower` makes it.
std::shared_ptr<ov::Model> step_form(const ov::Model& decoder, const graph::ModelInfo& info,
                                     std::vector<std::string>& source_names);

}  // namespace mm_orch::openvino
