// Operations on one row of n floats.
#pragma once

#include <cstdint>

namespace mm_orch::torch_backend::kernels {

/// y = (x − mean) / sqrt(var + epsilon) · weight + bias; bias may be null.
void layer_norm(const float* x, const float* weight, const float* bias, float epsilon, int64_t n,
                float* y);
/// y = x / sqrt(mean(x²) + epsilon) · weight.
void rms_norm(const float* x, const float* weight, float epsilon, int64_t n, float* y);
/// y = a + b; y = a · b.
void add(const float* a, const float* b, int64_t n, float* y);
void multiply(const float* a, const float* b, int64_t n, float* y);
/// y = max(x, 0); y = factor · x.
void relu(const float* x, int64_t n, float* y);
void scale(const float* x, float factor, int64_t n, float* y);
/// y = x / (1 + e^-x).
void silu(const float* x, int64_t n, float* y);
/// y = x · (1 + tanh(√(2/π) · (x + 0.044715 · x³))) / 2.
void gelu_tanh(const float* x, int64_t n, float* y);
/// Rotates one head of `half`·2 floats: halves convention.
void rotate(const float* x, const float* cos, const float* sin, int64_t half, float* y);

}  // namespace mm_orch::torch_backend::kernels
