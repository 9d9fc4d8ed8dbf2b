#include "openvino_errors.h"

#include <sstream>
#include <string_view>

namespace mm_orch::openvino {

std::string clean_message(const std::exception& error) {
  std::istringstream lines(error.what());
  std::string result;
  for (std::string line; std::getline(lines, line);) {
    const auto begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    line = line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin);
    // "Exception from src/.../core.cpp:110:" and "Check '...' failed at src/...:12:".
    const bool location = line.starts_with("Exception from ") ||
                          (line.starts_with("Check '") && line.find("failed at ") != line.npos);
    if (location || result.find(line) != std::string::npos) continue;
    if (!result.empty()) result += ' ';
    result += line;
  }
  return result.empty() ? error.what() : result;
}

bool is_out_of_memory(const std::exception& error) {
  const std::string_view message = error.what();
  for (const auto* sign : {"Failed to allocate", "bad_alloc", "out of memory"})
    if (message.find(sign) != std::string_view::npos) return true;
  return false;
}

}  // namespace mm_orch::openvino
