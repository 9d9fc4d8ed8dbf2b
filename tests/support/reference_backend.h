// A backend in plain loops over doubles: slow, simple, and the measure for the
// others. It serves as the reference of the conformance tests, and as a real
// backend where neither SDK is installed.
#pragma once

#include <memory>
#include <string>

#include "backend/backend.h"

namespace mm_orch::testing {

/// @param name  under which it is registered: "pytorch" stands in for the default backend.
std::unique_ptr<backend::Backend> make_reference_backend(const std::string& name = "reference");

}  // namespace mm_orch::testing
