// Lets OpenVINO read back a compiled model whose attention is paged. Its writer leaves out
// the sizes of the heads, which the CPU plug-in's reader then misses (2026.4); here they are
// taken from the shapes of the caches.
#pragma once

namespace mm_orch::openvino {

/// An input that such a model has.
inline constexpr const char* kPagedInput = "block_indices";

/// Before such a model is imported. Thread-safe; works once.
void read_paged_attention();

}  // namespace mm_orch::openvino
