#include "step_attention.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <openvino/core/op_extension.hpp>
#include <openvino/core/parallel.hpp>

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

// For `count` scores; until the thread's next call.
float* room_for(int64_t count) {
  thread_local std::vector<float> scores;
  const auto blocks = static_cast<size_t>((count + kKeysPerBlock - 1) / kKeysPerBlock);
  scores.resize(std::max(scores.size(), blocks * kKeysPerBlock));
  return scores.data();
}

// On all threads, if there is enough to do. @param keys  that the tokens look at together.
template <class Action>
void for_each_head(const StepLayout& step, int64_t heads, int64_t keys, const Action& action) {
  constexpr int64_t kWorthThreads = 4096;  // keys of a head: some 15 us
  const auto sequences = static_cast<int64_t>(step.sequences.size());
  const auto one = [&](int64_t i) {
    action(step.sequences[static_cast<size_t>(i / heads)], i % heads);
  };
  if (keys * heads >= kWorthThreads)
    ov::parallel_for(sequences * heads, one);
  else
    for (int64_t i = 0; i < sequences * heads; ++i) one(i);
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
  int64_t looked_at = 0;
  for (const auto& sequence : step.sequences) looked_at += sequence.count * sequence.source->tokens;
  for_each_head(step, heads_, looked_at, [&](const StepLayout::Sequence& sequence, int64_t head) {
    const auto& source = *sequence.source;
    const int64_t stride = head_floats(size);
    const float* data = source.data.data() + (layer_ * heads_ + head) * source.blocks * stride;
    float* scores = room_for(source.tokens);
    for (int64_t t = sequence.first; t < sequence.first + sequence.count; ++t) {
      const int64_t at = (t * heads_ + head) * size;
      std::fill_n(scores, source.tokens, 0.0f);
      attend(queries + at, {data, stride, nullptr}, source.tokens, size, scores, out + at);
    }
  });
}

void StepAttention::attend_to_past(const StepLayout& step, const ov::TensorVector& inputs,
                                   float* out, int64_t size) const {
  const auto *queries = inputs[0].data<float>(), *keys = inputs[2].data<float>(),
             *values = inputs[3].data<float>(), *bias = inputs[4].data<float>();
  const auto distances = static_cast<int64_t>(inputs[4].get_shape()[1]);
  int64_t looked_at = 0;
  for (const auto& sequence : step.sequences)
    looked_at += sequence.count * (sequence.past + sequence.count);
  for_each_head(step, heads_, looked_at, [&](const StepLayout::Sequence& sequence, int64_t head) {
    float* data = step.cache + (layer_ * heads_ + head) * head_floats(size);
    const int64_t all = sequence.past + sequence.count;
    float* scores = room_for(all);
    for (int64_t t = sequence.past; t < all; ++t) {
      const int64_t at = ((sequence.first + t - sequence.past) * heads_ + head) * size;
      put(data + sequence.blocks[t / kKeysPerBlock] * step.block_floats, t % kKeysPerBlock, size,
          keys + at, values + at);
      fill_bias(bias + head * distances, distances - 1, t + 1, scores);
      attend(queries + at, {data, step.block_floats, sequence.blocks}, t + 1, size, scores,
             out + at);
    }
  });
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
