// The cut to the positions whose logits are wanted, so that the vocabulary
// projection, the largest of all, does not run over a whole prompt.
#pragma once

#include <memory>
#include <openvino/core/model.hpp>

namespace mm_orch::openvino {

/// Name of the input that `cut_logits` adds: i64 [1], the first position to compute logits of, as
/// Python counts (0: all, -1: the last).
inline constexpr const char* kFirstPosition = "mm_orch_first_position";

/// The MatMul that makes `logits`; null if there is none behind them.
std::shared_ptr<ov::Node> find_projection(const ov::Model& model);

/// Puts a slice along the positions before the MatMul that makes `logits`.
/// @return  false if no such MatMul was found: then the model gives all positions.
bool cut_logits(ov::Model& model);

/// Name of the input that `choose_rows` adds: i64 [N], the tokens of the step whose logits are
/// wanted.
inline constexpr const char* kLogitRows = "mm_orch_logit_rows";

/// Lets only the wanted tokens of the step through the MatMul that makes `logits`.
/// @param axis  of the tokens.
/// @return      false if no such MatMul was found.
bool choose_rows(ov::Model& model, int64_t axis);

}  // namespace mm_orch::openvino
