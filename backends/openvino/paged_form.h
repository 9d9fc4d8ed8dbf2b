// From the stateful graph that lies on disk to one whose attention reads a paged cache.
#pragma once

#include <memory>
#include <openvino/core/model.hpp>

#include "graph/graph.h"

namespace mm_orch::openvino {

/// A paged form of `decoder`, which stays as it is. Null if its attention adds a bias of the
/// distance, or if OpenVINO's SDPAToPagedAttention or the
/// cut before the vocabulary projection does not find what it looks for.
std::shared_ptr<ov::Model> paged_form(const ov::Model& decoder, const graph::ModelInfo& info);

}  // namespace mm_orch::openvino
