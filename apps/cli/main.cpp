// mm-orch: language models on PyTorch and OpenVINO, from the shell.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <map>

#include "command.h"
#include "download.h"
#include "exit_codes.h"
#include "literal_arguments.h"
#include "mm_orch/diagnostics.h"
#include "mm_orch/downloader.h"
#include "mm_orch/log.h"
#include "terminal.h"
#include "usage_errors.h"

namespace mm_orch::cli {
namespace {

struct LogOptions {
  bool verbose = false;
  bool quiet = false;
};

void add_log_options(CLI::App& command, LogOptions& options) {
  auto* quiet = command.add_flag("-q,--quiet", options.quiet, "errors only, no progress");
  command.add_flag("-v,--verbose", options.verbose, "say what is being done")->excludes(quiet);
}

void connect_log(const LogOptions& options) {
  set_quiet(options.quiet);
  const LogLevel least = options.verbose ? LogLevel::kInfo
                         : options.quiet ? LogLevel::kError
                                         : LogLevel::kWarning;
  set_log_sink([least](LogLevel level, std::string_view message) {
    if (level < least) return;
    const char* label = level == LogLevel::kWarning ? "warning: " : "";
    print_error(fmt::format("{}{}", label, message));
  });
}

std::map<std::string, Runner> add_commands(CLI::App& app) {
  return {{"run", add_run_command(app)},         {"chat", add_chat_command(app)},
          {"embed", add_embed_command(app)},     {"infer", add_infer_command(app)},
          {"export", add_export_command(app)},   {"tune", add_tune_command(app)},
          {"compare", add_compare_command(app)}, {"list", add_list_command(app)},
          {"info", add_info_command(app)},       {"doctor", add_doctor_command(app)}};
}

// `list` and `info` speak of what is here.
void connect_downloader(const std::string& command) {
  if (command != "list" && command != "info" && command != "doctor")
    weights::set_downloader(download_with_hf);
}

int run_command(const Runner& runner) {
  try {
    const int exit_code = runner();
    flush();
    return exit_code;
  } catch (const MuAIError& error) {
    const ExitRow& row = exit_row(error.code());
    print_error(fmt::format("{} ({}{}see {})", error.what(), row.hint, row.hint.empty() ? "" : "; ",
                            error_docs(error.code())));
    return row.exit_code;
  } catch (const std::exception& error) {
    print_error(error.what());
    return kExitFailure;
  }
}

int main(int argc, char** argv) {
  // A reader that has gone (| head) ends the process without a word.
  std::signal(SIGPIPE, SIG_DFL);
  CLI::App app("Runs language models on PyTorch and OpenVINO.", "mm-orch");
  app.set_version_flag("--version", "mm-orch " + library_version());
  app.require_subcommand(1);
  app.footer("`mm-orch COMMAND --help` explains a command.");
  LogOptions log_options;
  const auto runners = add_commands(app);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    add_log_options(*command, log_options);

  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    parse_literally(app, arguments);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    print_error(explain_usage_error(app, arguments, error) + " (see mm-orch --help)");
    return kExitUsage;
  }
  const std::string command = app.get_subcommands().front()->get_name();
  connect_log(log_options);
  connect_downloader(command);
  return run_command(runners.at(command));
}

}  // namespace
}  // namespace mm_orch::cli

int main(int argc, char** argv) { return mm_orch::cli::main(argc, argv); }
