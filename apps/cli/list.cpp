// mm-orch list: the models and the exported IRs on this machine.
#include <fmt/format.h>

#include "command.h"
#include "exit_codes.h"
#include "mm_orch/catalog.h"
#include "model_options.h"
#include "terminal.h"
#include "text_width.h"

namespace mm_orch::cli {
namespace {

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print_models(const std::vector<FoundModel>& models) {
  if (models.empty()) {
    print("No models under models/ or in the Hugging Face cache.\n");
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const FoundModel& model : models)
    rows.push_back({model.name, model.format, format_bytes(model.bytes), model.place, model.path});
  print(
      format_table({{"model"}, {"format"}, {"size", Align::kRight}, {"found in"}, {"path"}}, rows));
}

void print_exports(const std::vector<ExportedModel>& exports) {
  if (exports.empty()) {
    print("No exported models; `mm-orch export MODEL` makes one.\n");
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const ExportedModel& model : exports)
    rows.push_back(
        {model.name, or_dash(model.precision), format_bytes(model.bytes), model.xml_path});
  print(format_table({{"exported model"}, {"precision"}, {"size", Align::kRight}, {"path"}}, rows));
}

int list(const std::optional<std::string>& config_path) {
  const auto exports = find_exports(config_path);
  print_models(find_models());
  print("\n");
  print_exports(exports);
  return kExitSuccess;
}

}  // namespace

Runner add_list_command(CLI::App& app) {
  auto* command = app.add_subcommand("list", "list the models and exported IRs on this machine");
  auto config_path = std::make_shared<std::optional<std::string>>();
  add_config_option(*command, *config_path);
  return [config_path] { return list(*config_path); };
}

}  // namespace mm_orch::cli
