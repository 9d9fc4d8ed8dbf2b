// Taking a model's tensors by name, with the shape the config promises.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weights/model_source.h"

namespace mm_orch::models {

/// @throws FileValidationError  absent, or of another shape; both shapes are named.
weights::Tensor require_tensor(const weights::ModelSource& source, const std::string& name,
                               const std::vector<int64_t>& shape);

}  // namespace mm_orch::models
