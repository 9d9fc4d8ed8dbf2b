#include "models/tensor_access.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "mm_orch/errors.h"

namespace mm_orch::models {

weights::Tensor require_tensor(const weights::ModelSource& source, const std::string& name,
                               const std::vector<int64_t>& shape) {
  const weights::Tensor* tensor = source.find(name);
  const ErrorContext context{.path = source.path().string()};
  if (tensor == nullptr)
    throw FileValidationError(fmt::format("{}: tensor {} of shape [{}] is missing",
                                          source.path().string(), name, fmt::join(shape, ", ")),
                              context);
  if (tensor->shape != shape)
    throw FileValidationError(fmt::format("{}: tensor {} has shape [{}]; config.json asks for [{}]",
                                          source.path().string(), name,
                                          fmt::join(tensor->shape, ", "), fmt::join(shape, ", ")),
                              context);
  return *tensor;
}

}  // namespace mm_orch::models
