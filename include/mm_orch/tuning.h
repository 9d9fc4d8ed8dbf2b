// Settings of an exported model that were chosen by measuring on this machine. They lie
// beside the model as <stem>.tuning.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch {

/// Properties of the backend: {"INFERENCE_PRECISION_HINT": "f32", ...}.
using BackendSettings = std::map<std::string, std::string>;

/// One set of settings that was tried, against the best before it.
struct TuningTrial {
  BackendSettings settings;
  bool kept = false;              // from here on it was the best
  std::string outcome;            // why, or why not: "12% faster", "slower", what failed
  double prefill_ms = 0;          // of TuningReport::prompt_tokens
  double decode_ms = 0;           // of one token after them
  std::optional<double> mean_kl;  // against PyTorch in FP32; measured where it decides
};

/// What the figures are true of.
struct TuningMachine {
  std::string cpu;
  int cores = 0;  // that the process may use
  std::vector<std::string> cpu_features;
  bool operator==(const TuningMachine&) const = default;
};

struct TuningReport {
  BackendSettings settings;  // the best; without an entry the model's own counts
  TuningMachine machine;
  std::string backend_version;  // of the SDK
  std::string library_version;
  std::string model;  // of the files: a hash
  int64_t prompt_tokens = 0;
  std::vector<TuningTrial> trials;  // the first one is the model as it was exported
  double seconds = 0;               // that tuning took
};

/// One line: "DYNAMIC_QUANTIZATION_GROUP_SIZE=0, ...: 7.4 instead of 9.0 ms a token, 40 instead of
/// 39 ms for 128".
MM_ORCH_EXPORT std::string tuning_summary(const TuningReport& report);
/// The content of the file.
MM_ORCH_EXPORT std::string tuning_json(const TuningReport& report);

}  // namespace mm_orch
