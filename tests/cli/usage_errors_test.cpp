#include "usage_errors.h"

#include <gtest/gtest.h>

namespace mm_orch::cli {
namespace {

std::string explain(std::vector<std::string> arguments) {
  CLI::App app;
  app.require_subcommand(1);
  app.add_subcommand("list");
  auto* command = app.add_subcommand("run");
  std::string model;
  float temperature = 0;
  command->add_option("MODEL", model)->required();
  command->add_option("--temperature", temperature);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return explain_usage_error(app, arguments, error);
  }
  return "";
}

TEST(UsageErrors, SuggestTheCommandMeant) {
  EXPECT_EQ(explain({"rnu", "m"}), "unknown command rnu; did you mean run?");
  EXPECT_EQ(explain({"dance"}), "unknown command dance");
  EXPECT_EQ(explain({}), "a command is missing: list, run");
}

TEST(UsageErrors, SuggestTheFlagMeant) {
  EXPECT_EQ(explain({"run", "m", "--temprature", "1"}),
            "unknown option --temprature; did you mean --temperature?");
  EXPECT_EQ(explain({"run", "m", "--tmperature=1"}),
            "unknown option --tmperature; did you mean --temperature?");
  EXPECT_EQ(explain({"--hlep"}), "unknown option --hlep; did you mean --help?");
}

TEST(UsageErrors, OtherwiseSayWhatTheParserSays) {
  EXPECT_EQ(explain({"run"}), "MODEL is required");
  EXPECT_NE(explain({"run", "m", "--temperature", "hot"}).find("hot"), std::string::npos);
}

}  // namespace
}  // namespace mm_orch::cli
