#include "source_reader.h"

#include <fmt/format.h>

#include <cstring>
#include <numeric>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>
#include <openvino/op/util/op_types.hpp>
#include <unordered_map>

#include "mm_orch/errors.h"
#include "padded_texts.h"

namespace mm_orch::openvino {
namespace {

using ov::op::v0::Parameter;
using ov::op::v0::Result;

enum class DependsOn { kNothing, kSource, kStep };

std::shared_ptr<Parameter> parameter_of(const ov::Model& model, const std::string& name) {
  for (const auto& parameter : model.get_parameters())
    if (parameter->output(0).get_names().count(name)) return parameter;
  return nullptr;
}

// Shapes of nothing but the source's lengths and batch cannot be spread over sequences.
bool can_be_spread(const ov::Output<ov::Node>& value) {
  return value.get_partial_shape().rank().is_static() &&
         value.get_partial_shape().rank().get_length() >= 2;
}

// The values at which the source's part ends: read by nodes that depend on more than the source.
std::vector<ov::Output<ov::Node>> source_values(
    const ov::Model& decoder, const std::vector<std::shared_ptr<Parameter>>& inputs) {
  std::unordered_map<const ov::Node*, DependsOn> depends;
  std::vector<ov::Output<ov::Node>> values;
  for (const auto& node : decoder.get_ordered_ops()) {
    auto on = DependsOn::kNothing;
    if (std::find(inputs.begin(), inputs.end(), node) != inputs.end())
      on = DependsOn::kSource;
    else if (node->get_input_size() == 0 && !ov::op::util::is_constant(node.get()))
      on = DependsOn::kStep;
    for (const auto& input : node->input_values()) on = std::max(on, depends.at(input.get_node()));
    if (ov::op::util::is_sink(node.get()) || ov::op::util::is_output(node.get()))
      on = DependsOn::kStep;
    const bool keeps_state = node->get_type_info().name == std::string_view("ReadValue");
    depends[node.get()] = keeps_state ? DependsOn::kStep : on;
    if (depends[node.get()] != DependsOn::kStep) continue;
    for (const auto& input : node->input_values())
      if (depends.at(input.get_node()) == DependsOn::kSource &&
          std::find(values.begin(), values.end(), input) == values.end())
        values.push_back(input);
  }
  for (const auto& value : values)
    if (!can_be_spread(value))
      throw UnsupportedModelError(fmt::format(
          "The decoder reads the source's shape in '{}'; export it with 'mm-orch export'",
          value.get_node()->get_friendly_name()));
  return values;
}

}  // namespace

std::vector<std::string> move_source_part(std::shared_ptr<ov::Model>& encoder,
                                          std::shared_ptr<ov::Model>& decoder) {
  const auto hidden = parameter_of(*decoder, "encoder_hidden_states");
  const auto mask = parameter_of(*decoder, "encoder_attention_mask");
  if (!hidden)
    throw UnsupportedModelError(
        "The decoder has no input 'encoder_hidden_states'; export it with 'mm-orch export'");
  std::vector<std::shared_ptr<Parameter>> moved{hidden};
  if (mask) moved.push_back(mask);

  ov::ParameterVector inputs;
  for (const auto& parameter : decoder->get_parameters())
    if (std::find(moved.begin(), moved.end(), parameter) == moved.end())
      inputs.push_back(parameter);
  ov::ResultVector results;
  std::vector<std::string> names;
  std::unordered_map<const ov::Node*, bool> in_source;
  for (const auto& value : source_values(*decoder, moved)) {
    names.push_back(fmt::format("source.{}", names.size()));
    const auto input =
        std::make_shared<Parameter>(value.get_element_type(), value.get_partial_shape());
    input->set_friendly_name(names.back());
    input->output(0).set_names({names.back()});
    inputs.push_back(input);
    for (auto consumer : value.get_target_inputs()) consumer.replace_source_output(input);
    results.push_back(std::make_shared<Result>(value));
    results.back()->output(0).set_names({names.back()});
  }
  hidden->output(0).replace(encoder->output("last_hidden_state").get_node()->input_value(0));
  if (mask) mask->output(0).replace(parameter_of(*encoder, "attention_mask")->output(0));
  decoder = std::make_shared<ov::Model>(decoder->get_results(), decoder->get_sinks(), inputs,
                                        decoder->get_variables(), decoder->get_friendly_name());
  encoder =
      std::make_shared<ov::Model>(results, encoder->get_parameters(), encoder->get_friendly_name());
  return names;
}

SourceReader::States SourceReader::read(const std::vector<std::span<const int64_t>>& texts) {
  PaddedTexts padded({texts, {}});
  auto request = requests_.acquire();
  padded.set_inputs(request);
  request.infer();
  States states;
  for (const auto& name : names_) {
    const ov::Tensor result = request.get_tensor(name);
    ov::Tensor own(result.get_element_type(), result.get_shape());
    result.copy_to(own);
    states.push_back(own);
  }
  requests_.release(std::move(request));
  return states;
}

SourceReader::States spread(const SourceReader::States& states, std::span<const int32_t> index) {
  SourceReader::States result;
  for (const auto& state : states) {
    ov::Shape shape = state.get_shape();
    const size_t bytes = state.get_byte_size() / shape[0];
    shape[0] = index.size();
    ov::Tensor tensor(state.get_element_type(), shape);
    for (size_t b = 0; b < index.size(); ++b)
      std::memcpy(
          static_cast<std::byte*>(tensor.data()) + b * bytes,
          static_cast<const std::byte*>(state.data()) + static_cast<size_t>(index[b]) * bytes,
          bytes);
    result.push_back(tensor);
  }
  return result;
}

}  // namespace mm_orch::openvino
