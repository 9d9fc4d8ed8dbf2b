// The devices that OpenVINO sees, and from a user's word for one to OpenVINO's.
#pragma once

#include <openvino/runtime/core.hpp>
#include <string>

namespace mm_orch::openvino {

/// The process's ov::Core; never destroyed, since its plug-ins may not outlive static destructors.
ov::Core& core();

/// "auto", "" and "cpu" mean "CPU"; "AUTO" is OpenVINO's choice, if there is one to make.
/// @throws DeviceError  the device is not there; lists those that are.
std::string resolve_device(const std::string& device);

}  // namespace mm_orch::openvino
