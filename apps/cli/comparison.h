// What `compare` prints of a comparison. Pure: no model, no terminal.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "mm_orch/model_manager.h"

namespace mm_orch::cli {

struct ComparedBackends {
  std::string first, second;
  BackendComparison result;
};

/// One row per backend.
std::string comparison_table(const ComparedBackends& compared);
/// "openvino is 1.84x as fast as pytorch (95% interval 1.79x to 1.90x)." and whether the answers
/// are equal: a line each.
std::string comparison_verdict(const ComparedBackends& compared);
nlohmann::ordered_json comparison_json(const ComparedBackends& compared);

}  // namespace mm_orch::cli
