#include "usage_errors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "suggest.h"

namespace mm_orch::cli {
namespace {

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const auto& name : option->get_lnames()) names.push_back("--" + name);
    for (const auto& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(command->get_name());
  return names;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  const std::string guess = nearest(word, known);
  return guess.empty() ? "" : fmt::format("; did you mean {}?", guess);
}

// The first "--flag" that is none of the command's; empty if all are.
std::string unknown_flag(const std::vector<std::string>& arguments,
                         const std::vector<std::string>& known) {
  for (const auto& argument : arguments) {
    if (argument == "--") break;
    const std::string flag = argument.substr(0, argument.find('='));
    if (flag.starts_with("--") && !contains(known, flag)) return flag;
  }
  return {};
}

}  // namespace

std::string explain_usage_error(const CLI::App& app, const std::vector<std::string>& arguments,
                                const CLI::ParseError& error) {
  const auto commands = command_names(app);
  if (arguments.empty()) return fmt::format("a command is missing: {}", fmt::join(commands, ", "));
  const std::string& name = arguments.front();
  if (!contains(commands, name)) {
    if (name.starts_with('-'))
      return fmt::format("unknown option {}{}", name, suggestion(name, option_names(app)));
    return fmt::format("unknown command {}{}", name, suggestion(name, commands));
  }
  const CLI::App& command = *app.get_subcommand(name);
  const auto options = option_names(command);
  if (const auto flag = unknown_flag(arguments, options); !flag.empty())
    return fmt::format("unknown option {}{}", flag, suggestion(flag, options));
  return error.what();
}

}  // namespace mm_orch::cli
