#include "devices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "openvino_errors.h"

namespace mm_orch::openvino {

ov::Core& core() {
  static auto* instance = new ov::Core();
  return *instance;
}

static bool is_available(const std::string& device, const std::vector<std::string>& available) {
  return std::any_of(available.begin(), available.end(), [&](const std::string& id) {
    // "GPU" stands for "GPU.0" where there are several, "GPU.0" for "GPU" where there is one.
    return id == device || id == device + ".0" || id + ".0" == device;
  });
}

std::string resolve_device(const std::string& device) {
  if (device.empty() || device == "auto") return "CPU";
  std::string name = device;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto available = core().get_available_devices();
  if (name == "AUTO") return available == std::vector<std::string>{"CPU"} ? "CPU" : "AUTO";
  if (!is_available(name, available))
    throw DeviceError(
        fmt::format("Device '{}' not available; OpenVINO sees {}. Choose one of these, or install "
                    "the device's driver",
                    name, fmt::join(available, ", ")),
        {.backend = kBackendName, .device = name});
  return name == "CPU.0" ? "CPU" : name;
}

}  // namespace mm_orch::openvino
