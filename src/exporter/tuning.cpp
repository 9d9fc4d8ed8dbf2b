#include "exporter/tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <new>

#include "base/replaced_file.h"
#include "exporter/decoder_reference.h"
#include "exporter/fidelity.h"
#include "exporter/memory_need.h"
#include "exporter/tuning_duel.h"
#include "exporter/tuning_report.h"
#include "mm_orch/diagnostics.h"
#include "models/registry.h"

namespace mm_orch::exporter {
namespace {

void require_memory_for_two(const std::filesystem::path& xml) {
  if (const auto lacking = lacking_memory(2 * exported_bytes(xml)))
    throw OutOfMemoryError(
        fmt::format("Tuning holds the model twice and needs {}; unload other models", *lacking),
        ErrorContext{.path = xml.string()});
}

// How much of the divergence that an export may have a choice that computes otherwise may have.
constexpr double kShareOfBound = 0.5;

class Tuner {
 public:
  explicit Tuner(const TuningRequest& request)
      : request_(request), artifact_(request.backend.open_artifact(request.xml)) {
    const auto metadata = artifact_->metadata();
    if (const auto entry = metadata.find("precision"); entry != metadata.end())
      bound_ = kShareOfBound * fidelity_bounds(backend::parse_precision(entry->second)).mean_kl;
  }

  TuningReport run() {
    const auto axes = artifact_->tuning_axes(request_.info);
    int64_t total = 0, done = 0;
    for (const auto& axis : axes) total += static_cast<int64_t>(axis.choices.size());
    best_ = load({});
    for (const auto& axis : axes)
      for (const auto& choice : axis.choices) {
        if (request_.progress) request_.progress(done++, total, "tuning");
        if (!axis.changes_results || (bound_ && request_.source))
          challenge(choice, axis.changes_results);
      }
    if (request_.progress) request_.progress(total, total, "tuning");
    if (!has_own_) add_own(duel(*best_, *best_, request_.info).first);
    return std::move(report_);
  }

 private:
  std::shared_ptr<backend::LoadedModel> load(const BackendSettings& settings) {
    return artifact_->compile(request_.info, {.device = "CPU", .properties = settings});
  }

  bool is_faithful(backend::LoadedModel& model, TuningTrial& trial) {
    try {
      if (!reference_)
        reference_ = std::make_unique<DecoderReference>(*request_.source,
                                                        models::build_graph(*request_.source));
    } catch (const BackendError&) {
      return false;
    } catch (const OutOfMemoryError&) {
      return false;
    }
    trial.mean_kl = reference_->mean_kl(model);
    return *trial.mean_kl <= *bound_;
  }

  void keep(const std::shared_ptr<backend::LoadedModel>& model, TuningTrial& trial, double ratio) {
    trial.kept = true;
    trial.outcome = fmt::format("{:.0f}% less time", 100 * (1 - ratio));
    report_.settings = trial.settings;
    best_ = model;
    best_times_ = {trial.prefill_ms, trial.decode_ms};
  }

  void add_own(const DuelTimes& times) {
    has_own_ = true;
    best_times_ = times;
    report_.trials.insert(report_.trials.begin(), {.settings = {},
                                                   .kept = true,
                                                   .outcome = "as it was exported",
                                                   .prefill_ms = times.prefill_ms,
                                                   .decode_ms = times.decode_ms,
                                                   .mean_kl = {}});
  }

  void challenge(const BackendSettings& choice, bool changes_results) {
    TuningTrial trial{.settings = report_.settings, .outcome = {}, .mean_kl = {}};
    for (const auto& [name, value] : choice) trial.settings[name] = value;
    const auto tried = [&](const TuningTrial& other) { return other.settings == trial.settings; };
    if (trial.settings == report_.settings || std::ranges::any_of(report_.trials, tried)) return;
    try {
      const auto model = load(trial.settings);
      const auto result = duel(*best_, *model, request_.info);
      if (!has_own_) add_own(result.first);
      // As if the machine had been as fast as in the first duel.
      trial.prefill_ms =
          best_times_.prefill_ms * result.second.prefill_ms / result.first.prefill_ms;
      trial.decode_ms = best_times_.decode_ms * result.second.decode_ms / result.first.decode_ms;
      if (!result.second_wins)
        trial.outcome = "not faster";
      else if (changes_results && !is_faithful(*model, trial))
        trial.outcome = trial.mean_kl ? fmt::format("mean KL above {:g}", *bound_)
                                      : "cannot be compared with PyTorch";
      else
        keep(model, trial, result.ratio);
    } catch (const BackendError& error) {
      trial.outcome = error.what();
    } catch (const ConfigurationError& error) {
      trial.outcome = error.what();
    }
    report_.trials.push_back(std::move(trial));
  }

  const TuningRequest& request_;
  std::unique_ptr<backend::Artifact> artifact_;
  std::optional<double> bound_;  // none: of another tool
  std::unique_ptr<DecoderReference> reference_;
  bool has_own_ = false;  // the model as it was exported is among the trials
  std::shared_ptr<backend::LoadedModel> best_;
  DuelTimes best_times_;
  TuningReport report_;
};

}  // namespace

TuningReport tune(const TuningRequest& request) {
  if (request.info.kind == graph::ModelKind::kEncoder)
    throw InvalidInputError(
        "A model with an encoder alone is not tuned; models that generate "
        "text are",
        ErrorContext{.path = request.xml.string()});
  require_memory_for_two(request.xml);
  ReplacedFile file(tuning_file(request.xml));  // where it cannot be written, nothing is measured
  const auto start = std::chrono::steady_clock::now();
  auto report = Tuner(request).run();
  report.machine = this_machine();
  report.backend_version = request.backend.sdk_version();
  report.library_version = library_version();
  report.model = tuned_model(request.xml);
  report.prompt_tokens = duel_prompt_tokens(request.info);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  file.stream() << tuning_json(report);
  file.commit();
  return report;
}

}  // namespace mm_orch::exporter
