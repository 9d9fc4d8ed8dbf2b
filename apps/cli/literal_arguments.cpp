#include "literal_arguments.h"

#include <algorithm>

namespace mm_orch::cli {
namespace {

constexpr char kMark = '\0';

std::string mark(std::string argument) {
  if (argument.starts_with('[') && argument.ends_with(']')) argument += kMark;
  return argument;
}

std::string unmark(std::string argument) {
  if (argument.ends_with(kMark)) argument.pop_back();
  return argument;
}

}  // namespace

void parse_literally(CLI::App& app, const std::vector<std::string>& arguments) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    for (CLI::Option* option : command->get_options())
      if (option->get_items_expected_max() > 0) option->transform(unmark);
  std::vector<std::string> marked;
  std::transform(arguments.rbegin(), arguments.rend(), std::back_inserter(marked), mark);
  app.parse(std::move(marked));  // takes them in reverse
}

}  // namespace mm_orch::cli
