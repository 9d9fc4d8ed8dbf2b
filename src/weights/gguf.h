// Reader of GGUF (versions 2 and 3, little-endian): metadata and tensors under the
// names of the file. Everything is checked before it is used; tensors are views of the
// bytes given.
// Source of the format: ggml docs/gguf.md (ggml, MIT).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

#include "mm_orch/export.h"
#include "weights/tensor.h"

namespace mm_orch::weights {

struct GgufFile {
  nlohmann::json metadata;      // object: key → number, boolean, string or array
  std::vector<Tensor> tensors;  // shapes reversed, so outermost first as in PyTorch
};

/// @param bytes  the whole file, e.g. of a MappedFile.
/// @param owner  keeps `bytes` alive; each tensor holds it.
/// @param path   for the errors.
/// @throws FileValidationError    truncated, damaged or contradictory.
/// @throws UnsupportedModelError  a tensor has a quantisation we do not read, or the file is one of
///                                a split set.
MM_ORCH_EXPORT GgufFile read_gguf(std::span<const std::byte> bytes,
                                  const std::shared_ptr<const void>& owner,
                                  const std::filesystem::path& path);

}  // namespace mm_orch::weights
