// The properties a model is compiled with. Later wins: the house's defaults (exact
// f32), what the artifact carries, what the caller asks for.
#pragma once

#include <openvino/core/any.hpp>
#include <openvino/core/model.hpp>
#include <string>

#include "backend/backend.h"

namespace mm_orch::openvino {

/// Settings that hold each precision's fidelity and are its fastest, by measurement; they are kept
/// in the artifact's "runtime_options", which other tools honour as well.
ov::AnyMap tuned_options(backend::Precision precision);

/// @throws ConfigurationError  a property that the device lacks or a value it refuses; named.
ov::AnyMap compile_properties(const ov::Model& model, const std::string& device,
                              const backend::LoadOptions& options);

}  // namespace mm_orch::openvino
