// Every option of GenerationConfig as a flag.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <vector>

#include "mm_orch/generation_config.h"

namespace mm_orch::cli {

struct GenerationOptions {
  GenerationConfig config;
  bool greedy = false;
  bool sample = false;
  bool ignore_eos = false;
  std::vector<int64_t> eos_token_ids;
};

void add_generation_options(CLI::App& command, GenerationOptions& options);

/// The configuration the flags ask for.
GenerationConfig generation_config(const GenerationOptions& options);

}  // namespace mm_orch::cli
