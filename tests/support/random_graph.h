// Seeded tensors and small graphs for tests. Norm weights and biases are random too:
// ones and zeros would hide a forgotten one.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "graph/builder.h"

namespace mm_orch::testing {

class RandomTensors {
 public:
  explicit RandomTensors(uint64_t seed) : engine_(seed) {}

  weights::Tensor make(const std::string& name, std::vector<int64_t> shape, float scale = 1.0f,
                       float offset = 0.0f) {
    size_t count = 1;
    for (const int64_t dim : shape) count *= static_cast<size_t>(dim);
    auto data = std::make_shared<std::vector<float>>(count);
    std::normal_distribution<float> normal;
    for (float& value : *data) value = offset + scale * normal(engine_);
    const auto bytes = std::as_bytes(std::span<const float>(*data));
    return {name, DType::kF32, std::move(shape), bytes, data, 0};
  }
  /// A matrix [out, in] that keeps the variance of its input.
  weights::Tensor matrix(const std::string& name, int64_t out, int64_t in) {
    return make(name, {out, in}, 1.0f / std::sqrt(static_cast<float>(in)));
  }
  /// A norm's weight: around 1.
  weights::Tensor scale(const std::string& name, int64_t size) {
    return make(name, {size}, 0.3f, 1.0f);
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace mm_orch::testing
