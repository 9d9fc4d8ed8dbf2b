// mm-orch export MODEL: writes a model as OpenVINO IR.
#include <fmt/format.h>

#include "command.h"
#include "exit_codes.h"
#include "model_options.h"
#include "terminal.h"
#include "text_width.h"

namespace mm_orch::cli {
namespace {

struct ExportOptions {
  std::string model;
  std::optional<std::string> config_path;
  std::optional<std::string> output;
  std::string precision = "FP32";
  bool no_check = false;
  bool force = false;
  bool no_tune = false;
};

int export_model(const ExportOptions& options) {
  ModelManagerOptions manager_options;
  manager_options.config_path = options.config_path;
  ModelManager manager(manager_options);

  ExportModelOptions export_options;
  export_options.precision = options.precision;
  export_options.output = options.output;
  export_options.check = !options.no_check;
  export_options.force = options.force;
  export_options.tune = !options.no_tune;
  ExportResult result;
  {
    Progress exporting(fmt::format("Exporting {} to {}", options.model, options.precision));
    Progress checking(fmt::format("Comparing {} with PyTorch", options.model));
    Progress tuning(fmt::format("Tuning {}", options.model));
    export_options.progress = [&](int64_t done, int64_t total, const std::string& what) {
      if (what == "tuning")
        tuning.update(done, total, fmt::format("{} of {} settings", done, total));
      else if (what == "checking")
        checking.update(done, total, fmt::format("{} of {} positions", done, total));
      else
        exporting.update(done, total, what);
    };
    result = manager.export_model(options.model, export_options);
  }
  print(fmt::format("{}  {}, {} in {:.1f} s\n", result.xml_path, options.precision,
                    format_bytes(result.bytes), result.seconds));
  const FidelityReport& fidelity = result.fidelity;
  if (fidelity.status == FidelityStatus::kFailed)
    throw FidelityError(
        fmt::format("the fidelity check failed: {}. The files are kept but will not be loaded; "
                    "--force accepts them",
                    fidelity.reason));
  print(fmt::format("fidelity check {}, in {:.1f} s\n", fidelity_summary(fidelity),
                    fidelity.seconds));
  if (result.tuning)
    print(fmt::format("tuned in {:.1f} s: {}\n", result.tuning->seconds,
                      tuning_summary(*result.tuning)));
  return kExitSuccess;
}

}  // namespace

Runner add_export_command(CLI::App& app) {
  auto* command = app.add_subcommand("export", "export a model to OpenVINO IR");
  auto options = std::make_shared<ExportOptions>();
  add_model_argument(*command, options->model);
  command->add_option("--precision", options->precision, "precision of the weights")
      ->transform(CLI::IsMember({"FP32", "FP16", "INT8", "INT4"}, CLI::ignore_case))
      ->capture_default_str();
  command->add_option("--output", options->output, "folder to write (default: <cache_dir>/<name>)")
      ->type_name("DIR");
  auto* no_check =
      command->add_flag("--no-check", options->no_check, "do not compare the result with PyTorch");
  command->add_flag("--force", options->force, "use the result even if it fails the check")
      ->excludes(no_check);
  command->add_flag("--no-tune", options->no_tune,
                    "do not look for the fastest settings on this machine");
  add_config_option(*command, options->config_path);
  return [options] { return export_model(*options); };
}

}  // namespace mm_orch::cli
