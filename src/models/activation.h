// Activation functions under transformers' names.
#pragma once

#include <string>

#include "graph/builder.h"

namespace mm_orch::models {

/// silu, swish, gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, tanh.
/// @throws UnsupportedModelError  another name.
graph::ValueId activation(graph::GraphBuilder& builder, const std::string& node_name,
                          graph::ValueId x, const std::string& function);

}  // namespace mm_orch::models
