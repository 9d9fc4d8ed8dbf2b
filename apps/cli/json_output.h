// JSON on stdout for --json: one object, indented, text that is no UTF-8 replaced.
#pragma once

#include <nlohmann/json.hpp>

#include "mm_orch/model_manager.h"

namespace mm_orch::cli {

void print_json(const nlohmann::ordered_json& value);

nlohmann::ordered_json to_json(const GenerationResult& result);
nlohmann::ordered_json to_json(const FallbackEvent& event);

double tokens_per_second(const GenerationResult& result);

}  // namespace mm_orch::cli
