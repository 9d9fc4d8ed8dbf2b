#include "literal_arguments.h"

#include <gtest/gtest.h>

namespace mm_orch::cli {
namespace {

TEST(LiteralArguments, BracketsAndCommasArriveAsTyped) {
  CLI::App app;
  app.require_subcommand(1);
  auto* command = app.add_subcommand("run");
  std::string model;
  std::vector<std::string> prompt;
  std::vector<std::string> stops;
  command->add_option("MODEL", model)->required();
  command->add_option("PROMPT", prompt);
  command->add_option("--stop", stops)->allow_extra_args(false);
  parse_literally(app, {"run", "[m]", "--stop", "[a,b]", "[INST] Hi, you [/INST]", "list", "x,y"});
  EXPECT_EQ(model, "[m]");
  EXPECT_EQ(stops, std::vector<std::string>{"[a,b]"});
  EXPECT_EQ(prompt, (std::vector<std::string>{"[INST] Hi, you [/INST]", "list", "x,y"}));
}

}  // namespace
}  // namespace mm_orch::cli
