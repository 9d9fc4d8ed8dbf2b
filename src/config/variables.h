// Environment variables in the values of a configuration: `${NAME}`, and `${NAME:-default}`
// for where it is not set or empty. `$$` is a `$`; any other `$` stands for itself. A default is
// taken as it stands, up to the next `}`; keys hold no variables.
#pragma once

#include <string>
#include <string_view>

#include "mm_orch/export.h"

namespace mm_orch::config {

struct Expansion {
  std::string text;
  std::string problem;  // what is wrong, for the message; empty: nothing
};

MM_ORCH_EXPORT Expansion expand_variables(std::string_view text);

}  // namespace mm_orch::config
