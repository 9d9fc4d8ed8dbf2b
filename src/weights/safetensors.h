// Reader of safetensors: 8 bytes header size, a JSON header, the data. Everything is
// checked before it is used; tensors are views of the bytes given.
// Source of the format: safetensors README (huggingface/safetensors, Apache-2.0).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mm_orch/export.h"
#include "weights/tensor.h"

namespace mm_orch::weights {

/// @param bytes  the whole file, e.g. of a MappedFile.
/// @param owner  keeps `bytes` alive; each tensor holds it.
/// @param path   for the errors.
/// @throws FileValidationError    truncated, damaged or contradictory.
/// @throws UnsupportedModelError  a tensor has an element type we do not read.
MM_ORCH_EXPORT std::vector<Tensor> read_safetensors(std::span<const std::byte> bytes,
                                                    const std::shared_ptr<const void>& owner,
                                                    const std::filesystem::path& path);

/// Maps a file and reads it.
MM_ORCH_EXPORT std::vector<Tensor> read_safetensors(const std::filesystem::path& path);

/// The tensors that `model.safetensors.index.json` lists, from the shards beside it.
/// @throws FileValidationError  also for a missing shard, a shard path that is no plain file name,
/// or
///                              a tensor that is not in the shard the index names.
MM_ORCH_EXPORT std::vector<Tensor> read_sharded_safetensors(const std::filesystem::path& index);

}  // namespace mm_orch::weights
