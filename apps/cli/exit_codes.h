// The one table from error classes to exit codes, documented in docs/cli.md.
#pragma once

#include <span>
#include <string_view>

#include "mm_orch/errors.h"

namespace mm_orch::cli {

inline constexpr int kExitSuccess = 0;
inline constexpr int kExitFailure = 1;  // `doctor` found a fault, or an error outside the table
inline constexpr int kExitUsage = 2;
inline constexpr int kExitInterrupted = 130;

struct ExitRow {
  ErrorCode error;
  int exit_code;
  std::string_view hint;  // what to do next; empty where the message says it all
};

std::span<const ExitRow> exit_table();
const ExitRow& exit_row(ErrorCode error);

}  // namespace mm_orch::cli
