// RoPE in the form that the CPU plug-in fuses: x·cos + rotate_half(x)·sin over
// [B, n, T, D], rotate-half made of Slice, Slice, Multiply by -1, Concat.
#include <limits>
#include <openvino/op/add.hpp>
#include <openvino/op/concat.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/slice.hpp>

#include "lowering/lowering.h"

namespace mm_orch::openvino {

using ov::op::v1::Multiply;
using std::make_shared;

static Value slice(const Value& x, int64_t begin, int64_t end) {
  return make_shared<ov::op::v8::Slice>(x, constant_i64({begin}), constant_i64({end}),
                                        constant_i64({1}), constant_i64({3}));
}

void lower_op(Lowering& lowering, const graph::Node& node, const graph::Rope& op) {
  const Value x = lowering.heads(node.inputs[0], op.head_size);
  const auto [cosine, sine] = lowering.rotation(op);
  const int64_t half = op.head_size / 2;
  const auto upper = slice(x, half, std::numeric_limits<int64_t>::max());
  const auto negated = make_shared<Multiply>(upper, constant_f32(-1));
  const auto rotated =
      make_shared<ov::op::v0::Concat>(ov::OutputVector{negated, slice(x, 0, half)}, -1);
  const auto result = make_shared<ov::op::v1::Add>(make_shared<Multiply>(x, cosine),
                                                   make_shared<Multiply>(rotated, sine));
  result->set_friendly_name(node.name);
  lowering.set_heads(node.outputs[0], result);
}

}  // namespace mm_orch::openvino
