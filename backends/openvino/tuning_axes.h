// What `mm-orch tune` tries on this machine. What is listed here made a difference when it
// was measured (docs/openvino_performance_guide.md); what never did is left out.
#pragma once

#include <openvino/core/any.hpp>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace mm_orch::openvino {

/// For the CPU. @param weights  the precision of the weights; FP32 promises f32 all through.
/// @param own      what the model is compiled with as it lies there.
std::vector<backend::TuningAxis> tuning_axes(const std::string& weights, const ov::AnyMap& own);

}  // namespace mm_orch::openvino
