#include "step_form.h"

#include <fmt/format.h>

#include <openvino/op/concat.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/scaled_dot_product_attention.hpp>
#include <openvino/op/select.hpp>
#include <openvino/op/transpose.hpp>
#include <openvino/op/unsqueeze.hpp>

#include "last_position.h"
#include "mm_orch/log.h"
#include "openvino_errors.h"
#include "step_attention.h"

namespace mm_orch::openvino {
namespace {

using ov::op::v0::Constant;
using ov::op::v0::Parameter;
using Value = ov::Output<ov::Node>;

template <class Op>
std::shared_ptr<Op> as(const std::shared_ptr<ov::Node>& node, const std::string& what) {
  if (auto found = ov::as_type_ptr<Op>(node)) return found;
  throw std::runtime_error(fmt::format("{} is a {}", what, node->get_type_name()));
}

template <class Op>
std::shared_ptr<Op> input_of(const std::shared_ptr<ov::Node>& node, size_t input) {
  return as<Op>(node->get_input_node_shared_ptr(input),
                fmt::format("Input {} of '{}'", input, node->get_friendly_name()));
}

// [B, T, N·D] of heads [B, N, T, D].
Value joined(const Value& heads) {
  const auto transposed =
      as<ov::op::v1::Transpose>(heads.get_node_shared_ptr(), "What makes heads");
  return input_of<ov::op::v1::Reshape>(transposed, 0)->input_value(0);
}

// Who joins the heads that `attention` gives.
std::shared_ptr<ov::Node> join_after(const ov::Node& attention) {
  const auto only_reader = [](const ov::Node& node) {
    const auto readers = node.get_output_target_inputs(0);
    if (readers.size() != 1) throw std::runtime_error("Attention has several readers");
    return readers.begin()->get_node()->shared_from_this();
  };
  const auto transposed = as<ov::op::v1::Transpose>(only_reader(attention), "Attention's reader");
  return as<ov::op::v1::Reshape>(only_reader(*transposed), "The reader of attention's heads");
}

void check_scale(const ov::Node& attention) {
  constexpr size_t kScale = 4;
  if (attention.get_input_size() > kScale)
    if (const auto* scale = ov::as_type<Constant>(attention.get_input_node_ptr(kScale)))
      if (scale->cast_vector<float>() == std::vector<float>{1}) return;
  throw std::runtime_error("Attention scales its scores");
}

// f32 [N, L + 1] of the table [2 L + 1, N] that the attention's bias is taken from.
std::shared_ptr<Constant> bias_of(const std::shared_ptr<ov::Node>& attention) {
  constexpr size_t kBias = 3;
  const auto select = input_of<ov::op::v1::Select>(attention, kBias);
  const auto rows = input_of<ov::op::v1::Transpose>(input_of<ov::op::v0::Unsqueeze>(select, 1), 0);
  const auto gather = input_of<ov::op::v8::Gather>(rows, 0);
  auto table = gather->get_input_node_shared_ptr(0);
  if (ov::is_type<ov::op::v0::Convert>(table)) table = table->get_input_node_shared_ptr(0);
  const auto constant = as<Constant>(table, "The table of relative positions");
  const auto values = constant->cast_vector<float>();
  const size_t heads = constant->get_shape().at(1);
  const size_t distances = (constant->get_shape().at(0) + 1) / 2;
  std::vector<float> bias(heads * distances);
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = values[i % distances * heads + i / distances];
  return Constant::create(ov::element::f32, {heads, distances}, bias);
}

std::string name_of_source(const std::shared_ptr<ov::Node>& attention, size_t input) {
  return input_of<Parameter>(attention, input)->output(0).get_any_name();
}

class Rewriter {
 public:
  Rewriter(const std::shared_ptr<ov::Model>& model, const graph::ModelInfo& info)
      : model_(model),
        info_(info),
        step_(std::make_shared<Parameter>(ov::element::u8,
                                          ov::PartialShape{int64_t{sizeof(void*)}})) {
    step_->set_friendly_name(kStepInput);
    step_->output(0).set_names({kStepInput});
  }

  std::shared_ptr<ov::Model> rewrite(std::vector<std::string>& source_names) {
    for (const auto& node : model_->get_ordered_ops())
      if (ov::is_type<ov::op::v13::ScaledDotProductAttention>(node)) replace(node);
    if (layers_ != info_.layers || static_cast<int64_t>(sources_.size()) != 2 * info_.layers)
      throw std::runtime_error("The decoder has not two attentions in each layer");
    const auto ids = model_->input("input_ids").get_node_shared_ptr();
    const auto form = std::make_shared<ov::Model>(
        model_->get_results(), ov::ParameterVector{ov::as_type_ptr<Parameter>(ids), step_},
        model_->get_friendly_name());
    if (!choose_rows(*form, 1)) throw std::runtime_error("It has no projection to logits");
    source_names = sources_;
    return form;
  }

 private:
  void replace(const std::shared_ptr<ov::Node>& attention) {
    check_scale(*attention);
    ov::OutputVector inputs{joined(attention->input_value(0)), step_};
    int64_t layer = static_cast<int64_t>(sources_.size()) / 2;
    if (ov::is_type<Parameter>(attention->get_input_node_ptr(1))) {
      sources_.push_back(name_of_source(attention, 1));
      sources_.push_back(name_of_source(attention, 2));
    } else {
      layer = layers_++;
      for (const size_t input : {1, 2})  // what is appended to the cache
        inputs.push_back(joined(input_of<ov::op::v0::Concat>(attention, input)->input_value(1)));
      inputs.push_back(bias_of(attention));
    }
    const auto join = join_after(*attention);
    const auto replacement = std::make_shared<StepAttention>(inputs, layer, info_.heads);
    replacement->set_friendly_name(attention->get_friendly_name());
    join->output(0).replace(replacement->output(0));
  }

  std::shared_ptr<ov::Model> model_;
  const graph::ModelInfo& info_;
  std::shared_ptr<Parameter> step_;
  int64_t layers_ = 0;
  std::vector<std::string> sources_;
};

}  // namespace

std::shared_ptr<ov::Model> step_form(const ov::Model& decoder, const graph::ModelInfo& info,
                                     std::vector<std::string>& source_names) {
  try {
    return Rewriter(decoder.clone(), info).rewrite(source_names);
  } catch (const std::exception& error) {
    log(LogLevel::kDebug, fmt::format("The decoder keeps its own state, since it is not shaped as "
                                      "an exported T5's: {}",
                                      clean_message(error)));
    return nullptr;
  }
}

}  // namespace mm_orch::openvino
