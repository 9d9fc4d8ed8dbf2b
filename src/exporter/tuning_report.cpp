#include "exporter/tuning_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/mapped_file.h"
#include "exporter/report_json.h"
#include "mm_orch/diagnostics.h"
#include "mm_orch/errors.h"
#include "mm_orch/log.h"

namespace mm_orch {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int kVersion = 1;

ordered_json trial_json(const TuningTrial& trial) {
  return {{"settings", trial.settings},   {"kept", trial.kept},
          {"outcome", trial.outcome},     {"prefill_ms", trial.prefill_ms},
          {"decode_ms", trial.decode_ms}, {"mean_kl", exporter::optional_json(trial.mean_kl)}};
}

TuningTrial parse_trial(const ordered_json& json) {
  TuningTrial trial;
  json.at("settings").get_to(trial.settings);
  json.at("kept").get_to(trial.kept);
  json.at("outcome").get_to(trial.outcome);
  json.at("prefill_ms").get_to(trial.prefill_ms);
  json.at("decode_ms").get_to(trial.decode_ms);
  trial.mean_kl = exporter::optional_value<double>(json.at("mean_kl"));
  return trial;
}

TuningReport parse_report(const ordered_json& json) {
  exporter::require_version(json, kVersion);
  TuningReport report;
  json.at("settings").get_to(report.settings);
  const auto& machine = json.at("machine");
  machine.at("cpu").get_to(report.machine.cpu);
  machine.at("cores").get_to(report.machine.cores);
  machine.at("cpu_features").get_to(report.machine.cpu_features);
  json.at("openvino").get_to(report.backend_version);
  json.at("mm_orch").get_to(report.library_version);
  json.at("model").get_to(report.model);
  json.at("prompt_tokens").get_to(report.prompt_tokens);
  json.at("seconds").get_to(report.seconds);
  for (const auto& trial : json.at("trials")) report.trials.push_back(parse_trial(trial));
  if (report.trials.empty()) throw std::invalid_argument("it has no trials");
  return report;
}

}  // namespace

std::string tuning_summary(const TuningReport& report) {
  if (report.settings.empty()) return "nothing was faster than the model's own settings";
  std::vector<std::string> settings;
  for (const auto& [name, value] : report.settings) settings.push_back(name + "=" + value);
  const auto* best = &report.trials.front();
  for (const auto& trial : report.trials)
    if (trial.kept) best = &trial;
  const auto& own = report.trials.front();
  return fmt::format("{}: {:.1f} instead of {:.1f} ms a token, {:.0f} instead of {:.0f} ms for {}",
                     fmt::join(settings, ", "), best->decode_ms, own.decode_ms, best->prefill_ms,
                     own.prefill_ms, report.prompt_tokens);
}

std::string tuning_json(const TuningReport& report) {
  auto trials = ordered_json::array();
  for (const auto& trial : report.trials) trials.push_back(trial_json(trial));
  const ordered_json json = {{"version", kVersion},
                             {"summary", tuning_summary(report)},
                             {"settings", report.settings},
                             {"machine",
                              {{"cpu", report.machine.cpu},
                               {"cores", report.machine.cores},
                               {"cpu_features", report.machine.cpu_features}}},
                             {"openvino", report.backend_version},
                             {"mm_orch", report.library_version},
                             {"model", report.model},
                             {"prompt_tokens", report.prompt_tokens},
                             {"trials", trials},
                             {"seconds", report.seconds}};
  return exporter::report_text(json);
}

namespace exporter {

fs::path tuning_file(const fs::path& xml) {
  return fs::path(xml).replace_extension(".tuning.json");
}

TuningMachine this_machine() {
  auto host = diagnose_host();
  return {std::move(host.cpu), host.cores, std::move(host.cpu_features)};
}

std::string tuned_model(const fs::path& xml) {
  const auto text = MappedFile::open(xml);
  std::error_code ignored;
  const auto bytes = fs::file_size(fs::path(xml).replace_extension(".bin"), ignored);
  return fmt::format("{:016x}-{}", XXH3_64bits(text->bytes().data(), text->bytes().size()), bytes);
}

std::optional<TuningReport> read_tuning(const fs::path& xml) {
  const auto path = tuning_file(xml);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  try {
    std::ifstream file(path);
    return parse_report(ordered_json::parse(file));
  } catch (const std::exception& error) {
    log(LogLevel::kWarning,
        fmt::format("{} is not used, since it is not the report of a tuning: {}. 'mm-orch tune' "
                    "makes it anew",
                    path.string(), error.what()));
    return std::nullopt;
  }
}

std::string stale_part(const TuningReport& report, const fs::path& xml,
                       const std::string& backend_version) {
  if (report.machine != this_machine()) return "machine";
  if (report.backend_version != backend_version) return "openvino";
  if (report.library_version != library_version()) return "mm_orch";
  if (report.model != tuned_model(xml)) return "model";
  return {};
}

BackendSettings tuned_settings(const fs::path& xml, const std::string& backend_version) {
  const auto report = read_tuning(xml);
  if (!report) return {};
  const auto stale = stale_part(*report, xml, backend_version);
  if (stale.empty()) return report->settings;
  log(LogLevel::kInfo, fmt::format("{} is not used, since it was made for another {}. 'mm-orch "
                                   "tune' makes it anew",
                                   tuning_file(xml).string(), stale));
  return {};
}

}  // namespace exporter
}  // namespace mm_orch
