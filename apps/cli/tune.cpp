// mm-orch tune MODEL: the fastest settings of an exported model on this machine.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "command.h"
#include "exit_codes.h"
#include "interrupt.h"
#include "model_options.h"
#include "terminal.h"
#include "text_width.h"

namespace mm_orch::cli {
namespace {

struct TuneOptions {
  std::string model;
  std::optional<std::string> config_path;
};

std::string settings_text(const BackendSettings& settings) {
  if (settings.empty()) return "(its own)";
  std::vector<std::string> parts;
  for (const auto& [name, value] : settings) parts.push_back(name + "=" + value);
  return fmt::format("{}", fmt::join(parts, " "));
}

std::string trials_table(const TuningReport& report) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& trial : report.trials)
    rows.push_back({settings_text(trial.settings), fmt::format("{:.1f}", trial.prefill_ms),
                    fmt::format("{:.2f}", trial.decode_ms),
                    trial.mean_kl ? fmt::format("{:.2g}", *trial.mean_kl) : "-", trial.outcome});
  return format_table({{"settings"},
                       {fmt::format("{} tokens (ms)", report.prompt_tokens), Align::kRight},
                       {"a new token (ms)", Align::kRight},
                       {"mean KL", Align::kRight},
                       {"outcome"}},
                      rows);
}

int tune(const TuneOptions& options) {
  ModelManager manager(ModelManagerOptions{.config_path = options.config_path});
  TuningReport report;
  {
    const InterruptScope interrupt;
    Progress progress(fmt::format("Tuning {}", options.model));
    try {
      report =
          manager.tune_model(options.model, [&](int64_t done, int64_t total, const std::string&) {
            if (interrupt.interrupted()) throw CancelledError("interrupted");
            progress.update(done, total, fmt::format("{} of {} settings", done, total));
          });
    } catch (const CancelledError&) {
      return kExitInterrupted;
    }
  }
  print(fmt::format("{}\nkept in {} s: {}\n", trials_table(report),
                    fmt::format("{:.1f}", report.seconds), tuning_summary(report)));
  return kExitSuccess;
}

}  // namespace

Runner add_tune_command(CLI::App& app) {
  auto* command =
      app.add_subcommand("tune", "find the fastest settings of an exported model, by measuring");
  auto options = std::make_shared<TuneOptions>();
  add_model_argument(*command, options->model);
  add_config_option(*command, options->config_path);
  return [options] { return tune(*options); };
}

}  // namespace mm_orch::cli
