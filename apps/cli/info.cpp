// mm-orch info MODEL: what a model is, from its files alone.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

#include "command.h"
#include "exit_codes.h"
#include "mm_orch/catalog.h"
#include "model_options.h"
#include "terminal.h"
#include "text_width.h"

namespace mm_orch::cli {
namespace {

struct InfoOptions {
  std::string model;
  std::optional<std::string> config_path;
};

std::string parameters(int64_t count) {
  const auto value = static_cast<double>(count);
  if (count >= 1'000'000'000) return format_figure(value / 1e9) + " B";
  if (count >= 1'000'000) return format_figure(value / 1e6) + " M";
  return std::to_string(count);
}

std::string weight_types(const std::map<std::string, int64_t>& counts) {
  std::vector<std::string> parts;
  for (const auto& [type, count] : counts) parts.push_back(fmt::format("{} x {}", count, type));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string fingerprint_match(const ExportedModel& exported, const std::string& fingerprint) {
  if (exported.fingerprint.empty()) return "unknown (made by another tool)";
  return exported.fingerprint == fingerprint ? "yes" : "NO: export again";
}

std::string tuning_line(const ExportedModel& exported) {
  if (!exported.tuning) return "none; `mm-orch tune` does it";
  const auto summary = tuning_summary(*exported.tuning);
  if (exported.tuning_stale_by.empty()) return summary;
  return fmt::format("not used, since it was made for another {} ({})", exported.tuning_stale_by,
                     summary);
}

void print_description(const ModelDescription& model) {
  const std::vector<std::pair<std::string, std::string>> lines = {
      {"model", model.name},
      {"path", model.path},
      {"format", model.format},
      {"architecture", model.architecture},
      {"parameters", parameters(model.parameters)},
      {"layers", std::to_string(model.layers)},
      {"hidden size", std::to_string(model.hidden_size)},
      {"attention heads", fmt::format("{} ({} key/value)", model.heads, model.kv_heads)},
      {"vocabulary", std::to_string(model.vocabulary_size)},
      {"context",
       model.context_length > 0 ? fmt::format("{} tokens", model.context_length) : "no limit"},
      {"tokenizer", model.tokenizer.empty() ? "none" : model.tokenizer},
      {"chat template", model.has_chat_template ? "yes" : "no"},
      {"weights", weight_types(model.weight_types)},
      {"fingerprint", model.fingerprint},
  };
  for (const auto& [label, value] : lines) print(fmt::format("{:<17}{}\n", label, value));
}

void print_files(const std::vector<ModelFile>& files) {
  std::vector<std::vector<std::string>> rows;
  for (const ModelFile& file : files) rows.push_back({file.path, format_bytes(file.bytes)});
  print(format_table({{"file"}, {"size", Align::kRight}}, rows));
}

void print_exports(const ModelDescription& model) {
  if (model.exports.empty()) {
    print("Not exported to OpenVINO; `mm-orch export` does it.\n");
    return;
  }
  std::vector<std::vector<std::string>> rows;
  for (const ExportedModel& exported : model.exports)
    rows.push_back({exported.xml_path, exported.precision.empty() ? "-" : exported.precision,
                    format_bytes(exported.bytes), fingerprint_match(exported, model.fingerprint)});
  print(format_table(
      {{"exported IR"}, {"precision"}, {"size", Align::kRight}, {"made from these weights"}},
      rows));
  for (const ExportedModel& exported : model.exports) {
    print(fmt::format("{:<17}{}\n", "fidelity",
                      exported.fidelity ? fidelity_summary(*exported.fidelity) : "unknown"));
    print(fmt::format("{:<17}{}\n", "tuning", tuning_line(exported)));
  }
}

int info(const InfoOptions& options) {
  const auto model = describe_model(options.model, options.config_path);
  print_description(model);
  print("\n");
  print_files(model.files);
  print("\n");
  print_exports(model);
  return kExitSuccess;
}

}  // namespace

Runner add_info_command(CLI::App& app) {
  auto* command = app.add_subcommand("info", "show what a model is, without loading it");
  auto options = std::make_shared<InfoOptions>();
  add_model_argument(*command, options->model);
  add_config_option(*command, options->config_path);
  return [options] { return info(*options); };
}

}  // namespace mm_orch::cli
