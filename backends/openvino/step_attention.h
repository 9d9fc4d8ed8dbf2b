// Attention whose keys and values lie outside of the graph, in blocks: an operation of our own,
// which the CPU plug-in runs by calling `evaluate`. OpenVINO's PagedAttention adds no bias of the
// distance and has no sources, so it cannot run a T5.
#pragma once

#include <openvino/op/op.hpp>
#include <vector>

#include "attention_kernel.h"

namespace mm_orch::openvino {

/// Name of the input that all these operations read: u8 [sizeof(void*)], the address of a
/// StepLayout.
inline constexpr const char* kStepInput = "mm_orch_step";

/// A text that the decoder reads: heads of all layers, [layers, N] times `blocks` blocks each.
struct PackedSource {
  std::vector<float> data;
  int64_t tokens = 0;
  int64_t blocks = 0;
};

/// Which of a step's tokens are whose. Lives while the step runs.
struct StepLayout {
  struct Sequence {
    int64_t first;  // of its tokens in the step
    int64_t count;
    int64_t past;
    const int32_t* blocks;
    const PackedSource* source;
  };
  std::vector<Sequence> sequences;
  float* cache = nullptr;
  int64_t block_floats = 0;  // of a block: layers, heads, keys and values
};

/// Inputs: queries f32 [1, T, N·D] and the step; then it attends to the source. With keys and
/// values, f32 [1, T, N·D], and a bias f32 [N, L + 1], it appends them to the sequence and attends
/// to all of it, a key d tokens back having the bias [L − min(d, L)]. Scores are not scaled.
/// Output: f32 [1, T, N·D].
class StepAttention : public ov::op::Op {
 public:
  OPENVINO_OP("StepAttention", "mm_orch");

  StepAttention() = default;
  StepAttention(const ov::OutputVector& inputs, int64_t layer, int64_t heads);
  void validate_and_infer_types() override;
  bool visit_attributes(ov::AttributeVisitor& visitor) override;
  std::shared_ptr<ov::Node> clone_with_new_inputs(const ov::OutputVector& inputs) const override;
  bool has_evaluate() const override { return true; }
  bool evaluate(ov::TensorVector& outputs, const ov::TensorVector& inputs) const override;

 private:
  void attend_to_source(const StepLayout& step, const float* queries, float* out,
                        int64_t size) const;
  void attend_to_past(const StepLayout& step, const ov::TensorVector& inputs, float* out,
                      int64_t size) const;

  int64_t layer_ = 0;
  int64_t heads_ = 0;
};

/// Before a model with such operations is imported. Thread-safe; works once.
void read_step_attention();

}  // namespace mm_orch::openvino
