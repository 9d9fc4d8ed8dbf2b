// The properties a model is compiled with. Later wins: the house's defaults (exact
// f32), what the artifact carries, what tuning found, what the caller asks for.
#pragma once

#include <openvino/core/any.hpp>
#include <openvino/core/model.hpp>
#include <string>
#include <vector>

#include "backend/backend.h"

namespace mm_orch::openvino {

inline constexpr const char* kInferencePrecision = "INFERENCE_PRECISION_HINT";
inline constexpr const char* kCachePrecision = "KV_CACHE_PRECISION";
inline constexpr const char* kDynamicQuantization = "DYNAMIC_QUANTIZATION_GROUP_SIZE";

/// Of "f32", "bf16", "f16" those that the device computes in natively.
std::vector<std::string> device_precisions(const std::string& device);

/// Settings that hold each precision's fidelity and are its fastest, by measurement; they are kept
/// in the artifact's "runtime_options", which other tools honour as well.
ov::AnyMap tuned_options(backend::Precision precision);

/// @param weights  the weights' precision. "FP32" promises f32 all through: then what the artifact
///                 says is not asked (optimum writes a KV cache in f16 into its FP32 models).
/// @throws ConfigurationError  a property that the device lacks or a value it refuses; named.
ov::AnyMap compile_properties(const ov::Model& model, const std::string& weights,
                              const std::string& device, const backend::LoadOptions& options);

/// True if `properties` compute in less than f32 and the caller did not ask for that.
bool lowered_by_artifact(const ov::AnyMap& properties, const backend::LoadOptions& options);

/// Replaces what computes in less than f32.
void raise_to_f32(ov::AnyMap& properties);

}  // namespace mm_orch::openvino
