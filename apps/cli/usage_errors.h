// Command-line mistakes in words, with the word that was probably meant.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace mm_orch::cli {

/// @param arguments  what was typed after "mm-orch".
std::string explain_usage_error(const CLI::App& app, const std::vector<std::string>& arguments,
                                const CLI::ParseError& error);

}  // namespace mm_orch::cli
