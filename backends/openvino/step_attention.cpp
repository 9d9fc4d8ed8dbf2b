#include "step_attention.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <openvino/core/op_extension.hpp>

#include "devices.h"

namespace mm_orch::openvino {
namespace {

const StepLayout& layout_of(const ov::Tensor& step) {
  const StepLayout* layout = nullptr;
  std::memcpy(&layout, step.data(), sizeof(layout));
  return *layout;
}

// scores [count] of the token after count - 1 others. @param bias  [L + 1] of a head.
void fill_bias(const float* bias, int64_t limit, int64_t count, float* scores) {
  const int64_t far = std::max<int64_t>(0, count - 1 - limit);
  std::fill_n(scores, far, bias[0]);
  std::copy_n(bias + limit - (count - 1 - far), count - far, scores + far);
}

}  // namespace

StepAttention::StepAttention(const ov::OutputVector& inputs, int64_t layer, int64_t heads)
    : Op(inputs), layer_(layer), heads_(heads) {
  constructor_validate_and_infer_types();
}

void StepAttention::validate_and_infer_types() {
  set_output_type(0, ov::element::f32, get_input_partial_shape(0));
}

bool StepAttention::visit_attributes(ov::AttributeVisitor& visitor) {
  visitor.on_attribute("layer", layer_);
  visitor.on_attribute("heads", heads_);
  return true;
}

std::shared_ptr<ov::Node> StepAttention::clone_with_new_inputs(
    const ov::OutputVector& inputs) const {
  return std::make_shared<StepAttention>(inputs, layer_, heads_);
}

void StepAttention::attend_to_source(const StepLayout& step, const float* queries, float* out,
                                     int64_t size) const {
  std::vector<float> scores;
  for (const auto& sequence : step.sequences) {
    const auto& source = *sequence.source;
    const int64_t stride = head_floats(size);
    scores.resize(static_cast<size_t>(source.blocks * kKeysPerBlock));
    for (int64_t row = sequence.first * heads_; row < (sequence.first + sequence.count) * heads_;
         ++row) {
      const int64_t head = layer_ * heads_ + row % heads_;
      std::ranges::fill(scores, 0.0f);
      attend(queries + row * size,
             {source.data.data() + head * source.blocks * stride, stride, nullptr}, source.tokens,
             size, scores.data(), out + row * size);
    }
  }
}

void StepAttention::attend_to_past(const StepLayout& step, const ov::TensorVector& inputs,
                                   float* out, int64_t size) const {
  const auto *queries = inputs[0].data<float>(), *keys = inputs[2].data<float>(),
             *values = inputs[3].data<float>(), *bias = inputs[4].data<float>();
  const auto distances = static_cast<int64_t>(inputs[4].get_shape()[1]);
  std::vector<float> scores;
  for (const auto& sequence : step.sequences) {
    const int64_t all = sequence.past + sequence.count;
    scores.resize(static_cast<size_t>(all + kKeysPerBlock));
    for (int64_t head = 0; head < heads_; ++head) {
      float* data = step.cache + (layer_ * heads_ + head) * head_floats(size);
      for (int64_t t = sequence.past; t < all; ++t) {
        const int64_t row = (sequence.first + t - sequence.past) * heads_ + head;
        put(data + sequence.blocks[t / kKeysPerBlock] * step.block_floats, t % kKeysPerBlock, size,
            keys + row * size, values + row * size);
        fill_bias(bias + head * distances, distances - 1, t + 1, scores.data());
        attend(queries + row * size, {data, step.block_floats, sequence.blocks}, t + 1, size,
               scores.data(), out + row * size);
      }
    }
  }
}

bool StepAttention::evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const {
  const auto& step = layout_of(inputs[1]);
  const auto size = static_cast<int64_t>(inputs[0].get_shape()[2]) / heads_;
  if (inputs.size() == 2)
    attend_to_source(step, inputs[0].data<float>(), outputs[0].data<float>(), size);
  else
    attend_to_past(step, inputs, outputs[0].data<float>(), size);
  return true;
}

void read_step_attention() {
  static std::once_flag once;
  std::call_once(once, [] {
    core().add_extension(
        std::shared_ptr<ov::Extension>(std::make_shared<ov::OpExtension<StepAttention>>()));
  });
}

}  // namespace mm_orch::openvino
