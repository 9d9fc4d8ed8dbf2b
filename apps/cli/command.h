// A subcommand of mm-orch: its options are declared on a CLI::App, its work is a
// function that returns the exit code. One file per subcommand.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace mm_orch::cli {

using Runner = std::function<int()>;

/// Declares a subcommand on `app` and returns what it does.
Runner add_run_command(CLI::App& app);
Runner add_chat_command(CLI::App& app);
Runner add_embed_command(CLI::App& app);
Runner add_infer_command(CLI::App& app);
Runner add_export_command(CLI::App& app);
Runner add_tune_command(CLI::App& app);
Runner add_compare_command(CLI::App& app);
Runner add_list_command(CLI::App& app);
Runner add_info_command(CLI::App& app);
Runner add_doctor_command(CLI::App& app);

}  // namespace mm_orch::cli
