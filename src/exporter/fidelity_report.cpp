#include "exporter/fidelity_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "exporter/exporter.h"
#include "exporter/report_json.h"
#include "mm_orch/errors.h"

namespace mm_orch {
namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr std::array kStatuses = {FidelityStatus::kPassed, FidelityStatus::kFailed,
                                  FidelityStatus::kAccepted, FidelityStatus::kUnchecked};

ordered_json figures_json(const FidelityFigures& figures) {
  return {{"tokens", figures.tokens},
          {"max_logit_error", figures.max_logit_error},
          {"mean_logit_error", figures.mean_logit_error},
          {"max_relative_error", figures.max_relative_error},
          {"mean_relative_error", figures.mean_relative_error},
          {"mean_kl", figures.mean_kl},
          {"max_kl", figures.max_kl},
          {"top1_agreement", figures.top1_agreement},
          {"first_divergence", exporter::optional_json(figures.first_divergence)}};
}

FidelityFigures parse_figures(const ordered_json& json) {
  FidelityFigures figures;
  json.at("tokens").get_to(figures.tokens);
  json.at("max_logit_error").get_to(figures.max_logit_error);
  json.at("mean_logit_error").get_to(figures.mean_logit_error);
  json.at("max_relative_error").get_to(figures.max_relative_error);
  json.at("mean_relative_error").get_to(figures.mean_relative_error);
  json.at("mean_kl").get_to(figures.mean_kl);
  json.at("max_kl").get_to(figures.max_kl);
  json.at("top1_agreement").get_to(figures.top1_agreement);
  figures.first_divergence = exporter::optional_value<int64_t>(json.at("first_divergence"));
  return figures;
}

ordered_json vectors_json(const VectorFigures& figures) {
  return {{"tokens", figures.tokens},
          {"min_cosine", figures.min_cosine},
          {"max_relative_error", figures.max_relative_error}};
}

VectorFigures parse_vectors(const ordered_json& json) {
  return {.tokens = json.at("tokens").get<int64_t>(),
          .min_cosine = json.at("min_cosine").get<double>(),
          .max_relative_error = json.at("max_relative_error").get<double>()};
}

FidelityReport parse_report(const ordered_json& json) {
  exporter::require_version(json, kVersion);
  FidelityReport report;
  const auto status = json.at("status").get<std::string>();
  const auto* const found = std::find_if(kStatuses.begin(), kStatuses.end(), [&](auto value) {
    return fidelity_status_name(value) == status;
  });
  if (found == kStatuses.end()) throw std::invalid_argument("its status is none we know");
  report.status = *found;
  json.at("reason").get_to(report.reason);
  json.at("precision").get_to(report.precision);
  json.at("source_fingerprint").get_to(report.fingerprint);
  json.at("seconds").get_to(report.seconds);
  const auto& bounds = json.at("bounds");
  bounds.at("mean_kl").get_to(report.bounds.mean_kl);
  report.bounds.max_relative_error =
      exporter::optional_value<double>(bounds.at("max_relative_error"));
  bounds.at("min_cosine").get_to(report.bounds.min_cosine);
  if (const auto& figures = json.at("figures"); !figures.is_null())
    report.figures = parse_figures(figures);
  if (const auto& vectors = json.at("vectors"); !vectors.is_null())
    report.vectors = parse_vectors(vectors);
  return report;
}

}  // namespace

std::string fidelity_status_name(FidelityStatus status) {
  switch (status) {
    case FidelityStatus::kPassed:
      return "passed";
    case FidelityStatus::kFailed:
      return "failed";
    case FidelityStatus::kAccepted:
      return "accepted";
    case FidelityStatus::kUnchecked:
      return "unchecked";
  }
  return "unchecked";
}

std::string fidelity_summary(const FidelityReport& report) {
  auto line = fidelity_status_name(report.status);
  if (!report.reason.empty()) line += fmt::format(" ({})", report.reason);
  if (report.vectors)
    line += fmt::format(
        ": cosine of the tokens' vectors at least {:.6f} (allowed {:g}), error at most {:.2g}% of "
        "their range, {} tokens",
        report.vectors->min_cosine, report.bounds.min_cosine,
        100 * report.vectors->max_relative_error, report.vectors->tokens);
  if (!report.figures) return line;
  const auto& figures = *report.figures;
  line += fmt::format(
      ": mean KL {:.2g} (allowed {:g}), logit error at most {:.2g} ({:.2g}% of the "
      "range), same top-1 token at {:.1f}% of {} positions",
      figures.mean_kl, report.bounds.mean_kl, figures.max_logit_error,
      100 * figures.max_relative_error, 100 * figures.top1_agreement, figures.tokens);
  if (figures.first_divergence)
    line += fmt::format(", first other at {}", *figures.first_divergence);
  return line;
}

std::string fidelity_json(const FidelityReport& report) {
  const ordered_json json = {
      {"version", kVersion},
      {"status", fidelity_status_name(report.status)},
      {"reason", report.reason},
      {"summary", fidelity_summary(report)},
      {"precision", report.precision},
      {"source_fingerprint", report.fingerprint},
      {"bounds",
       {{"mean_kl", report.bounds.mean_kl},
        {"max_relative_error", exporter::optional_json(report.bounds.max_relative_error)},
        {"min_cosine", report.bounds.min_cosine}}},
      {"figures", report.figures ? figures_json(*report.figures) : ordered_json()},
      {"vectors", report.vectors ? vectors_json(*report.vectors) : ordered_json()},
      {"seconds", report.seconds}};
  return exporter::report_text(json);
}

namespace exporter {

std::filesystem::path fidelity_file(const std::filesystem::path& xml) {
  return std::filesystem::path(xml).replace_extension(".fidelity.json");
}

std::optional<FidelityReport> read_fidelity(const std::filesystem::path& xml,
                                            const std::map<std::string, std::string>& metadata) {
  const auto path = fidelity_file(xml);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  const auto is = [&](const char* key, const std::string& value) {
    const auto entry = metadata.find(key);
    return entry != metadata.end() && entry->second == value;
  };
  try {
    std::ifstream file(path);
    auto report = parse_report(ordered_json::parse(file));
    if (!is("precision", report.precision) || !is(kFingerprintKey, report.fingerprint))
      return std::nullopt;
    return report;
  } catch (const std::exception& error) {
    throw FileValidationError(
        fmt::format("{} is not the report of a fidelity check: {}. Export the model again",
                    path.string(), error.what()),
        ErrorContext{.path = path.string()});
  }
}

}  // namespace exporter
}  // namespace mm_orch
