#include "models/activation.h"

#include <fmt/format.h>

#include "mm_orch/errors.h"

namespace mm_orch::models {

graph::ValueId activation(graph::GraphBuilder& builder, const std::string& node_name,
                          graph::ValueId x, const std::string& function) {
  if (function == "silu" || function == "swish") return builder.silu(node_name, x);
  if (function == "gelu") return builder.gelu(node_name, x, {.tanh_approximation = false});
  if (function == "gelu_new" || function == "gelu_pytorch_tanh" || function == "gelu_fast")
    return builder.gelu(node_name, x, {.tanh_approximation = true});
  if (function == "relu") return builder.relu(node_name, x);
  if (function == "tanh") return builder.tanh(node_name, x);
  throw UnsupportedModelError(
      fmt::format("Activation '{}' is not supported; supported: silu, swish, gelu, gelu_new, "
                  "gelu_pytorch_tanh, gelu_fast, relu, tanh",
                  function));
}

}  // namespace mm_orch::models
