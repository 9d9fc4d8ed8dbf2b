#include "source_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
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

constexpr const char* kHidden = "encoder_hidden_states";
constexpr const char* kMask = "encoder_attention_mask";

enum class DependsOn { kNothing, kSource, kStep };

std::shared_ptr<Parameter> parameter_of(const ov::Model& model, const std::string& name) {
  for (const auto& parameter : model.get_parameters())
    if (parameter->output(0).get_names().count(name)) return parameter;
  return nullptr;
}

// Spread over sequences by its first axis. Shapes of the source are not.
bool can_be_spread(const ov::Output<ov::Node>& value) {
  return value.get_partial_shape().rank().is_static() &&
         value.get_partial_shape().rank().get_length() >= 2;
}

DependsOn dependence_of(const std::shared_ptr<ov::Node>& node,
                        const std::unordered_map<const ov::Node*, DependsOn>& known) {
  const bool ends = ov::op::util::is_sink(node.get()) || ov::op::util::is_output(node.get());
  const bool reads_state = node->get_type_info().name == std::string_view("ReadValue");
  const bool is_input = node->get_input_size() == 0 && !ov::op::util::is_constant(node.get());
  if (ends || reads_state || is_input) return DependsOn::kStep;
  auto on = DependsOn::kNothing;
  for (const auto& input : node->input_values()) on = std::max(on, known.at(input.get_node()));
  return on;
}

// A value at which the source's part ends, and who reads it in the step's part.
struct Boundary {
  ov::Output<ov::Node> value;
  std::vector<ov::Input<ov::Node>> readers;
};

std::vector<Boundary> boundaries(const ov::Model& decoder,
                                 const std::vector<std::shared_ptr<Parameter>>& inputs) {
  std::unordered_map<const ov::Node*, DependsOn> depends;
  std::vector<Boundary> result;
  for (const auto& node : decoder.get_ordered_ops()) {
    const bool is_source = std::find(inputs.begin(), inputs.end(), node) != inputs.end();
    depends[node.get()] = is_source ? DependsOn::kSource : dependence_of(node, depends);
    if (depends[node.get()] != DependsOn::kStep) continue;
    for (const auto& input : node->inputs()) {
      const auto value = input.get_source_output();
      if (depends.at(value.get_node()) != DependsOn::kSource) continue;
      const auto same = [&](const Boundary& boundary) { return boundary.value == value; };
      auto found = std::find_if(result.begin(), result.end(), same);
      if (found == result.end()) found = result.insert(found, {value, {}});
      found->readers.push_back(input);
    }
  }
  return result;
}

}  // namespace

std::vector<std::string> move_source_part(std::shared_ptr<ov::Model>& encoder,
                                          std::shared_ptr<ov::Model>& decoder) {
  const auto hidden = parameter_of(*decoder, kHidden);
  const auto mask = parameter_of(*decoder, kMask);
  if (!hidden)
    throw UnsupportedModelError(
        "The decoder has no input 'encoder_hidden_states'; export it with 'mm-orch export'");
  std::vector<std::shared_ptr<Parameter>> moved{hidden};
  if (mask) moved.push_back(mask);

  const auto ends = boundaries(*decoder, moved);
  for (const auto& end : ends)
    if (!can_be_spread(end.value))
      throw UnsupportedModelError(fmt::format(
          "The decoder reads the source's shape in '{}'; export it with 'mm-orch export'",
          end.value.get_node()->get_friendly_name()));

  ov::ParameterVector inputs;
  for (const auto& parameter : decoder->get_parameters())
    if (std::find(moved.begin(), moved.end(), parameter) == moved.end())
      inputs.push_back(parameter);
  ov::ResultVector results;
  std::vector<std::string> names;
  for (const auto& [value, readers] : ends) {
    names.push_back(fmt::format("source.{}", names.size()));
    const auto input =
        std::make_shared<Parameter>(value.get_element_type(), value.get_partial_shape());
    input->set_friendly_name(names.back());
    input->output(0).set_names({names.back()});
    inputs.push_back(input);
    for (auto reader : readers) reader.replace_source_output(input);
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
