// Scratch that starts at a cache line.
#pragma once

#include <cstdint>
#include <vector>

namespace mm_orch::torch_backend {

/// Room for `size` elements within `buffer`, which grows if it has to.
template <class T>
T* aligned(std::vector<T>& buffer, int64_t size) {
  constexpr size_t kAlignment = 64;
  const size_t needed = static_cast<size_t>(size) + kAlignment / sizeof(T);
  if (buffer.size() < needed) buffer.resize(needed);
  const auto address = reinterpret_cast<uintptr_t>(buffer.data());
  return reinterpret_cast<T*>((address + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace mm_orch::torch_backend
