#include "json_output.h"

#include "terminal.h"

namespace mm_orch::cli {

using nlohmann::ordered_json;

void print_json(const ordered_json& value) {
  print(value.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

ordered_json to_json(const GenerationResult& result) {
  return {{"text", result.text},
          {"finish_reason", finish_reason_name(result.finish_reason)},
          {"backend", result.backend},
          {"prompt_tokens", result.prompt_tokens},
          {"new_tokens", result.new_tokens},
          {"time_to_first_token_s", result.time_to_first_token_s},
          {"latency_s", result.latency_s},
          {"tokens_per_s", tokens_per_second(result)}};
}

ordered_json to_json(const FallbackEvent& event) {
  return {{"time_s", event.time_s},
          {"model", event.model},
          {"from_backend", event.from_backend},
          {"to_backend", event.to_backend},
          {"reason", fallback_reason_name(event.reason)},
          {"message", event.message}};
}

double tokens_per_second(const GenerationResult& result) {
  return result.latency_s > 0 ? static_cast<double>(result.new_tokens.size()) / result.latency_s
                              : 0;
}

}  // namespace mm_orch::cli
