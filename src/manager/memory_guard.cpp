#include "manager/memory_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/memory.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMostCacheBytes = 1ULL << 30;

uint64_t cache_bytes(const graph::ModelInfo& info, uint64_t element_bytes) {
  const auto values = static_cast<uint64_t>(2 * info.layers * info.kv_heads * info.head_size);
  return std::min(values * static_cast<uint64_t>(info.context_length) * element_bytes,
                  kMostCacheBytes);
}

uint64_t size_of(const fs::path& file) {
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  return error ? 0 : bytes;
}

// What PyTorch makes of a stored tensor.
uint64_t held_bytes(const weights::Tensor& part, const std::string& precision) {
  const uint64_t bytes = part.data.size();
  if (precision == "bf16" && part.dtype == DType::kF32) return bytes / 2;
  const bool rounded = precision == "int8" && part.shape.size() == 2;
  if (rounded && part.dtype == DType::kF32) return bytes * 17 / 64;  // 8.5 bits of 32
  if (rounded && dtype_info(part.dtype).block_elements == 1) return bytes * 17 / 32;
  return bytes;
}

std::string gigabytes(uint64_t bytes) {
  return fmt::format("{:.1f} GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace

MemoryNeed memory_needed(const graph::Graph& graph, const backend::LoadOptions& options) {
  const bool floats = options.inference_precision.empty() || options.inference_precision == "f32";
  MemoryNeed need{.cache_bytes = cache_bytes(graph.info, floats ? 4 : 2)};
  for (const auto& weight : graph.weights)
    for (const auto& part : weight.parts)
      need.weight_bytes += held_bytes(part, options.inference_precision);
  return need;
}

MemoryNeed memory_needed(const fs::path& xml, const graph::ModelInfo& info) {
  auto bin = fs::path(xml).replace_extension(".bin");
  uint64_t bytes = size_of(bin);
  auto name = bin.filename().string();
  if (const size_t place = name.rfind("decoder"); place != std::string::npos)
    bytes += size_of(bin.replace_filename(name.replace(place, 7, "encoder")));
  return {.weight_bytes = bytes, .cache_bytes = cache_bytes(info, 1)};
}

void require_memory(const MemoryNeed& need, const std::string& model, const std::string& backend) {
  const uint64_t needed = need.weight_bytes + need.cache_bytes;
  const uint64_t available = memory_state().available_bytes;
  if (needed <= available) return;
  throw OutOfMemoryError(
      fmt::format("Model '{}' takes {} of memory on {} ({} of weights, {} of KV cache), but {} are "
                  "available. Export it in a lower precision (INT8), unload other models, or limit "
                  "them by max_cached_bytes",
                  model, gigabytes(needed), backend, gigabytes(need.weight_bytes),
                  gigabytes(need.cache_bytes), gigabytes(available)),
      ErrorContext{.model = model, .backend = backend});
}

}  // namespace mm_orch::manager
