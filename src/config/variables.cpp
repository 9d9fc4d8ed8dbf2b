#include "config/variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

namespace mm_orch::config {
namespace {

bool is_variable_name(std::string_view name) {
  const auto is_word = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), is_word);
}

// `inner` is what stands between the braces.
Expansion value_of(std::string_view inner) {
  const size_t mark = inner.find(":-");
  const std::string name(inner.substr(0, mark));
  if (!is_variable_name(name))
    return {{},
            fmt::format("${{{}}} names no environment variable; allowed are ${{NAME}} and "
                        "${{NAME:-default}}, and $$ for a $",
                        inner)};
  const char* value = std::getenv(name.c_str());
  if (mark != std::string_view::npos && (value == nullptr || *value == 0))
    return {std::string(inner.substr(mark + 2)), {}};
  if (value == nullptr)
    return {{},
            fmt::format("the environment variable {0} is not set; set it, or give a default: "
                        "${{{0}:-default}}",
                        name)};
  return {value, {}};
}

}  // namespace

Expansion expand_variables(std::string_view text) {
  Expansion result;
  while (!text.empty()) {
    const size_t dollar = std::min(text.find('$'), text.size());
    result.text += text.substr(0, dollar);
    text.remove_prefix(dollar);
    if (text.starts_with("${")) {
      const size_t end = text.find('}');
      if (end == std::string_view::npos)
        return {{}, fmt::format("'{}' has no closing brace; $$ stands for a $", text)};
      auto value = value_of(text.substr(2, end - 2));
      if (!value.problem.empty()) return value;
      result.text += value.text;
      text.remove_prefix(end + 1);
    } else if (!text.empty()) {
      result.text += '$';
      text.remove_prefix(text.starts_with("$$") ? 2 : 1);
    }
  }
  return result;
}

}  // namespace mm_orch::config
