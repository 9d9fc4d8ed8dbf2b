// CLI11 takes an argument "[a,b]" for a list of two. A prompt may be "[INST] Hi [/INST]"
// and must arrive as it was typed, so such arguments travel with a mark that no argument
// can hold (a zero byte) and lose it when an option receives them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace mm_orch::cli {

/// app.parse(arguments), with each argument as it was typed.
void parse_literally(CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace mm_orch::cli
