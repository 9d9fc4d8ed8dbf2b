#include "exit_codes.h"

#include <array>

namespace mm_orch::cli {
namespace {

constexpr std::array<ExitRow, 15> kTable = {{
    {ErrorCode::kConfiguration, 3, ""},
    {ErrorCode::kInvalidInput, 4, ""},
    {ErrorCode::kModelNotFound, 5, "`mm-orch list` shows the models that are here"},
    {ErrorCode::kOutOfMemory, 6, "try a smaller model or a lower precision"},
    {ErrorCode::kOverloaded, 7, ""},
    {ErrorCode::kBackend, 10, ""},
    {ErrorCode::kBackendInitialization, 11, "`mm-orch doctor` shows what is installed"},
    {ErrorCode::kDevice, 12, "`mm-orch doctor` shows the devices"},
    {ErrorCode::kModelLoad, 13, ""},
    {ErrorCode::kFileValidation, 14, ""},
    {ErrorCode::kUnsupportedModel, 15, ""},
    {ErrorCode::kInference, 16, ""},
    {ErrorCode::kNumericFault, 17, ""},
    {ErrorCode::kFidelity, 18, ""},
    {ErrorCode::kCancelled, kExitInterrupted, ""},
}};

}  // namespace

std::span<const ExitRow> exit_table() { return kTable; }

const ExitRow& exit_row(ErrorCode error) {
  static constexpr ExitRow kOther = {ErrorCode{}, kExitFailure, ""};
  for (const ExitRow& row : kTable)
    if (row.error == error) return row;
  return kOther;
}

}  // namespace mm_orch::cli
