#include "mm_orch/diagnostics.h"

#include <dlfcn.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <map>
#include <sstream>

#include "backend/plugin.h"
#include "backend/sdk_version.h"
#include "base/memory.h"

namespace mm_orch {
namespace {

std::string first_line_value(const std::string& file, const std::string& key) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    const size_t begin = line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return {};
}

std::vector<std::string> cpu_features() {
  static constexpr std::array<const char*, 12> kOfInterest = {
      "avx2",        "fma",      "f16c",     "avx512f",  "avx512_vnni", "avx_vnni",
      "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16", "asimddp",     "sve"};
  std::string flags = first_line_value("/proc/cpuinfo", "flags");
  if (flags.empty()) flags = first_line_value("/proc/cpuinfo", "Features");
  std::istringstream words(flags);
  std::vector<std::string> present;
  for (std::string word; words >> word;)
    if (std::find(kOfInterest.begin(), kOfInterest.end(), word) != kOfInterest.end())
      present.push_back(word);
  return present;
}

std::string sdk_name(const std::string& backend) {
  return backend == "pytorch" ? "torch" : backend;
}

}  // namespace

std::string library_version() { return MM_ORCH_VERSION; }

std::string library_path() {
  Dl_info info{};
  if (::dladdr(reinterpret_cast<const void*>(&library_path), &info) == 0) return {};
  std::error_code error;
  const auto path = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string(info.dli_fname) : path.string();
}

std::vector<BackendDiagnosis> diagnose_backends() {
  std::vector<BackendDiagnosis> diagnoses;
  for (const auto& status : backend::plugin_status()) {
    BackendDiagnosis diagnosis{.name = status.name,
                               .available = status.available,
                               .plugin_path = status.path.string(),
                               .sdk = sdk_name(status.name),
                               .problem = status.problem};
    diagnosis.built_version = backend::built_sdk_version(diagnosis.sdk);
    diagnosis.found_version = status.available
                                  ? status.sdk_version
                                  : backend::find_sdk(diagnosis.sdk, status.path).version;
    if (status.available)
      for (const auto& device : backend::get_backend(status.name).devices())
        diagnosis.devices.push_back({device.id, device.name});
    diagnoses.push_back(std::move(diagnosis));
  }
  return diagnoses;
}

HostDiagnosis diagnose_host() {
  HostDiagnosis host;
  host.cpu = first_line_value("/proc/cpuinfo", "model name");
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) == 0) host.cores = CPU_COUNT(&allowed);
  host.cpu_features = cpu_features();
  const auto memory = memory_state();
  host.memory_bytes = memory.total_bytes;
  host.available_bytes = memory.available_bytes;
  return host;
}

}  // namespace mm_orch
