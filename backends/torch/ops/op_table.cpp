#include "ops/lowering.h"

namespace mm_orch::torch_backend {
namespace {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace

Step lower(const graph::Node& node, Lowering& l) {
  return std::visit(
      Overloaded{
          [](const graph::TokenIds&) { return Step(); },
          [](const graph::Positions&) { return Step(); },
          [](const graph::TokenTypes&) { return Step(); },
          [](const graph::Split&) { return Step(); },
          [&](const graph::Embedding& op) { return lower_embedding(op, node, l); },
          [&](const graph::Linear& op) { return lower_linear(op, node, l); },
          [&](const graph::LayerNorm& op) { return lower_layer_norm(op, node, l); },
          [&](const graph::RmsNorm& op) { return lower_rms_norm(op, node, l); },
          [&](const graph::Rope& op) { return lower_rope(op, node, l); },
          [&](const graph::Attention& op) { return lower_attention(op, node, l); },
          [&](const graph::EncoderAttention& op) { return lower_encoder_attention(op, node, l); },
          [&](const graph::CrossAttention& op) { return lower_cross_attention(op, node); },
          [&](const graph::Add&) { return lower_add(node); },
          [&](const graph::Multiply&) { return lower_multiply(node); },
          [&](const graph::Silu&) { return lower_silu(node); },
          [&](const graph::Gelu& op) { return lower_gelu(op, node); },
          [&](const graph::Relu&) { return lower_relu(node); },
          [&](const graph::Tanh&) { return lower_tanh(node); },
          [&](const graph::Scale& op) { return lower_scale(op, node); },
      },
      node.op);
}

}  // namespace mm_orch::torch_backend
