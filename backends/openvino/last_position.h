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

}  // namespace mm_orch::openvino
