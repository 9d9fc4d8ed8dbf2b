// The texts a command works on: its arguments, or the lines of standard input.
#pragma once

#include <string>
#include <vector>

namespace mm_orch::cli {

/// @throws InvalidInputError  there is none.
std::vector<std::string> texts_or_input_lines(const std::vector<std::string>& arguments);

}  // namespace mm_orch::cli
