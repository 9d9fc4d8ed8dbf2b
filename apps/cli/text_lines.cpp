#include "text_lines.h"

#include <iostream>

#include "mm_orch/errors.h"
#include "terminal.h"

namespace mm_orch::cli {

std::vector<std::string> texts_or_input_lines(const std::vector<std::string>& arguments) {
  if (!arguments.empty()) return arguments;
  if (stdin_is_terminal()) note("Type the texts, a line each; Ctrl-D on an empty line ends them.");
  std::vector<std::string> lines;
  for (std::string line; std::getline(std::cin, line);) lines.push_back(line);
  if (lines.empty())
    throw InvalidInputError("There is no text; give one after the model's name or a line of input");
  return lines;
}

}  // namespace mm_orch::cli
