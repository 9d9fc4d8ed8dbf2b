// What is installed, and what this machine is. For `mm-orch doctor` and bug reports.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch {

struct BackendDevice {
  std::string id;    // "CPU", "GPU.0"
  std::string name;  // "Intel(R) Xeon(R) ..."
};

struct BackendDiagnosis {
  std::string name;  // "pytorch", "openvino"
  bool available = false;
  std::string plugin_path;    // empty: no plug-in is there
  std::string sdk;            // "torch", "openvino"
  std::string built_version;  // of the SDK the plug-in was built for; empty: not built
  std::string found_version;  // of the SDK that is there; empty: none was found
  std::string problem;        // why it is not available, and the command that mends it
  std::vector<BackendDevice> devices;
};

struct HostDiagnosis {
  std::string cpu;
  int cores = 0;  // that this process may use
  std::vector<std::string>
      cpu_features;  // of those the backends profit from: "avx512f", "amx_tile"
  uint64_t memory_bytes = 0;
  uint64_t available_bytes = 0;  // without swapping, cgroup limit included
};

/// "0.1.0"
MM_ORCH_EXPORT std::string library_version();
/// The libmm_orch.so in use.
MM_ORCH_EXPORT std::string library_path();

/// All backends; loads them to see whether they work.
MM_ORCH_EXPORT std::vector<BackendDiagnosis> diagnose_backends();
MM_ORCH_EXPORT HostDiagnosis diagnose_host();

}  // namespace mm_orch
