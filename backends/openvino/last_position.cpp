#include "last_position.h"

#include <limits>
#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/divide.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/matmul.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/slice.hpp>
#include <openvino/op/tanh.hpp>

namespace mm_orch::openvino {
namespace {

using ov::op::v0::Constant;

bool is_element_wise(const ov::Node& node) {
  return ov::is_type<ov::op::v0::Convert>(&node) || ov::is_type<ov::op::v1::Add>(&node) ||
         ov::is_type<ov::op::v1::Multiply>(&node) || ov::is_type<ov::op::v1::Divide>(&node) ||
         ov::is_type<ov::op::v0::Tanh>(&node);
}

// Lets the projection read what `select` makes of the rows it read and a new input of the model.
template <class Select>
void insert(ov::Model& model, ov::Node& projection, const char* name, const ov::PartialShape& shape,
            const Select& select) {
  const auto input = std::make_shared<ov::op::v0::Parameter>(ov::element::i64, shape);
  input->set_friendly_name(name);
  input->output(0).set_names({name});
  projection.input(0).replace_source_output(select(projection.input_value(0), input));
  model.add_parameters({input});
  model.validate_nodes_and_infer_types();
}

}  // namespace

// It lies behind what may follow it: conversions, biases, soft caps.
std::shared_ptr<ov::Node> find_projection(const ov::Model& model) {
  auto node = model.output("logits").get_node_shared_ptr()->get_input_node_shared_ptr(0);
  while (is_element_wise(*node)) {
    const bool first_is_constant = ov::is_type<Constant>(node->get_input_node_ptr(0));
    node = node->get_input_node_shared_ptr(first_is_constant ? 1 : 0);
  }
  return ov::is_type<ov::op::v0::MatMul>(node) ? node : nullptr;
}

bool cut_logits(ov::Model& model) {
  const auto projection = find_projection(model);
  if (!projection || projection->get_input_partial_shape(0).rank() != ov::Rank(3)) return false;
  const auto one = Constant::create(ov::element::i64, {1}, {1});
  const auto end = Constant::create(ov::element::i64, {1}, {std::numeric_limits<int32_t>::max()});
  insert(model, *projection, kFirstPosition, {1}, [&](const auto& rows, const auto& first) {
    return std::make_shared<ov::op::v8::Slice>(rows, first, end, one, /*axes=*/one);
  });
  return true;
}

bool choose_rows(ov::Model& model, int64_t axis) {
  const auto projection = find_projection(model);
  if (!projection) return false;
  insert(model, *projection, kLogitRows, {-1}, [&](const auto& rows, const auto& chosen) {
    return std::make_shared<ov::op::v8::Gather>(rows, chosen,
                                                Constant::create(ov::element::i64, {}, {axis}));
  });
  return true;
}

}  // namespace mm_orch::openvino
