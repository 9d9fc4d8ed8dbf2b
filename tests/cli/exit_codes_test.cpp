#include "exit_codes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <set>

namespace mm_orch::cli {
namespace {

constexpr int kFirstCode = static_cast<int>(ErrorCode::kConfiguration);
constexpr int kLastCode = static_cast<int>(ErrorCode::kOverloaded);

TEST(ExitCodes, EveryErrorClassHasItsOwn) {
  std::set<int> exit_codes = {kExitSuccess, kExitFailure, kExitUsage};
  for (int code = kFirstCode; code <= kLastCode; ++code) {
    const ExitRow& row = exit_row(static_cast<ErrorCode>(code));
    EXPECT_EQ(static_cast<int>(row.error), code);
    EXPECT_TRUE(exit_codes.insert(row.exit_code).second) << error_name(row.error);
  }
  EXPECT_EQ(exit_table().size(), static_cast<size_t>(kLastCode - kFirstCode + 1));
  EXPECT_EQ(exit_row(ErrorCode::kCancelled).exit_code, kExitInterrupted);
}

TEST(ExitCodes, AnUnknownCodeIsAPlainFailure) {
  EXPECT_EQ(exit_row(static_cast<ErrorCode>(kLastCode + 1)).exit_code, kExitFailure);
}

std::string content(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ExitCodes, AreDocumented) {
  const std::string docs = content(MM_ORCH_CLI_DOCS);
  for (const ExitRow& row : exit_table()) {
    const auto line = fmt::format("| {} | `{}` |", row.exit_code, error_name(row.error));
    EXPECT_NE(docs.find(line), std::string::npos) << line;
  }
}

TEST(ExitCodes, BelongToErrorsThatTroubleshootingExplains) {
  std::string page = content(MM_ORCH_TROUBLESHOOTING);
  std::transform(page.begin(), page.end(), page.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  const std::string start = "docs/troubleshooting.md#";
  for (const ExitRow& row : exit_table()) {
    const std::string docs = error_docs(row.error);
    ASSERT_TRUE(docs.starts_with(start)) << docs;
    EXPECT_NE(page.find("\n## " + docs.substr(start.size()) + "\n"), std::string::npos) << docs;
  }
}

}  // namespace
}  // namespace mm_orch::cli
