#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"
#include "mm_orch/model_manager.h"

namespace mm_orch::python {
namespace {

using Tokens = std::vector<int64_t>;
template <class T>
using Vector = nb::ndarray<nb::numpy, const T, nb::ndim<1>>;
using Matrix = nb::ndarray<nb::numpy, const float, nb::ndim<2>>;

// The library may log while it destroys models, from any of its threads; the GIL must be free.
class Manager {
 public:
  explicit Manager(const ModelManagerOptions& options)
      : manager_(Call().run([&] { return std::make_unique<ModelManager>(options); })) {}
  ~Manager() {
    const nb::gil_scoped_release release;
    manager_.reset();
  }
  ModelManager& operator*() { return *manager_; }
  ModelManager* operator->() { return manager_.get(); }

 private:
  std::unique_ptr<ModelManager> manager_;
};

nb::dict stats_dict(const PerformanceStats& stats) {
  nb::dict result;
  result["avg_latency"] = stats.avg_latency_s;
  result["p50_latency"] = stats.p50_latency_s;
  result["p95_latency"] = stats.p95_latency_s;
  result["p99_latency"] = stats.p99_latency_s;
  result["avg_throughput"] = stats.avg_throughput;
  result["time_to_first_token"] = stats.time_to_first_token_s;
  result["sample_count"] = stats.sample_count;
  result["fallback_count"] = stats.fallback_count;
  return result;
}

nb::dict usage_dict(const ModelUsage& usage) {
  nb::dict result;
  result["loads"] = usage.loads;
  result["generations"] = usage.generations;
  result["prompt_tokens"] = usage.prompt_tokens;
  result["new_tokens"] = usage.new_tokens;
  result["last_used"] = usage.last_used_s;
  result["loaded_since"] = nb::cast(usage.loaded_since_s);
  return result;
}

nb::dict comparison_dict(const BackendComparison& comparison, const std::string& first,
                         const std::string& second) {
  nb::dict result;
  result["model"] = comparison.model;
  result["latency_improvement"] = comparison.latency_improvement;
  result["latency_interval"] =
      nb::make_tuple(comparison.latency_improvement_low, comparison.latency_improvement_high);
  result["throughput_improvement"] = comparison.throughput_improvement;
  result[(first + "_stats").c_str()] = stats_dict(comparison.first_stats);
  result[(second + "_stats").c_str()] = stats_dict(comparison.second_stats);
  result[(first + "_precision").c_str()] = comparison.first_precision;
  result[(second + "_precision").c_str()] = comparison.second_precision;
  result[(first + "_memory_bytes").c_str()] = comparison.first_memory_bytes;
  result[(second + "_memory_bytes").c_str()] = comparison.second_memory_bytes;
  result["first_difference"] = nb::cast(comparison.first_difference);
  return result;
}

nb::dict info_dict(const ModelInformation& info) {
  nb::dict result;
  result["name"] = info.name;
  result["architecture"] = info.architecture;
  result["path"] = info.path;
  result["backend"] = info.backend;
  result["device"] = info.device;
  result["precision"] = info.precision;
  result["context_length"] = info.context_length;
  result["vocabulary_size"] = info.vocabulary_size;
  result["labels"] = info.labels;
  result["memory_bytes"] = info.memory_bytes;
  return result;
}

nb::dict scheduling_dict(const SchedulingStats& stats) {
  nb::dict result;
  result["steps"] = stats.steps;
  result["step_sequences"] = stats.step_sequences;
  result["computed_tokens"] = stats.computed_tokens;
  result["shared_tokens"] = stats.shared_tokens;
  result["preemptions"] = stats.preemptions;
  result["waiting_s"] = stats.waiting_s;
  result["waiting"] = stats.waiting;
  result["active"] = stats.active;
  result["blocks"] = stats.blocks;
  result["blocks_taken"] = stats.blocks_taken;
  return result;
}

nb::dict cache_dict(const CacheInformation& info) {
  nb::list models;
  for (const CachedModel& cached : info.models) {
    nb::dict model;
    model["name"] = cached.name;
    model["backend"] = cached.backend;
    model["memory_bytes"] = cached.memory_bytes;
    model["idle_seconds"] = cached.idle_s;
    model["in_use"] = cached.in_use;
    model["pinned"] = cached.pinned;
    models.append(model);
  }
  nb::dict result;
  result["max_cached_models"] = info.max_cached_models;
  result["max_cached_bytes"] = nb::cast(info.max_cached_bytes);
  result["residency_seconds"] = info.residency_s;
  result["memory_bytes"] = info.memory_bytes;
  result["models"] = models;
  return result;
}

nb::dict event_dict(const FallbackEvent& event) {
  nb::dict result;
  result["time"] = event.time_s;
  result["model"] = event.model;
  result["from_backend"] = event.from_backend;
  result["to_backend"] = event.to_backend;
  result["reason"] = fallback_reason_name(event.reason);
  result["message"] = event.message;
  return result;
}

std::string generate(Manager& manager, const std::string& name, const nb::str& prompt,
                     const nb::dict& options) {
  Call call;
  const GenerationConfig config = generation_config(options, false, call);
  const std::string text = utf8(prompt, "the prompt");
  return call.run([&] { return manager->generate(name, text, config); });
}

std::vector<GenerationResult> generate_batch(Manager& manager, const std::string& name,
                                             const std::vector<nb::str>& prompts,
                                             const nb::dict& options) {
  Call call;
  const GenerationConfig config = generation_config(options, true, call);
  std::vector<std::string> texts;
  for (const nb::str& prompt : prompts) texts.push_back(utf8(prompt, "a prompt"));
  return call.run([&] { return manager->generate(name, texts, config); });
}

std::vector<GenerationResult> generate_tokens(Manager& manager, const std::string& name,
                                              const std::vector<Tokens>& prompts,
                                              const nb::dict& options, bool indexed) {
  Call call;
  const GenerationConfig config = generation_config(options, indexed, call);
  return call.run([&] { return manager->generate_tokens(name, prompts, config); });
}

std::string apply_chat_template(Manager& manager, const std::string& name,
                                const std::vector<std::pair<nb::str, nb::str>>& messages,
                                bool add_generation_prompt) {
  std::vector<ChatMessage> converted;
  for (const auto& [role, content] : messages) {
    converted.push_back({utf8(role, "a message's role"), utf8(content, "a message's content")});
  }
  return Call().run(
      [&] { return manager->apply_chat_template(name, converted, add_generation_prompt); });
}

// The caller's function of (done, total, what); stops the work if Python raises.
auto progress_of(Call& call, const nb::object& progress, const std::string& model) {
  return [&call, model, function = nb::handle(progress)](int64_t done, int64_t total,
                                                         const std::string& what) {
    if (!function.is_none()) {
      const nb::gil_scoped_acquire gil;
      try {
        function(done, total, nb::str(what.data(), what.size()));
      } catch (nb::python_error& error) {
        call.keep(std::move(error));
      }
    }
    if (call.interrupted()) throw CancelledError("the work was interrupted", {.model = model});
  };
}

ExportResult export_model(Manager& manager, const std::string& name, const std::string& precision,
                          const std::optional<std::string>& output, const nb::object& progress,
                          bool check, bool force, bool tune) {
  Call call;
  const ExportModelOptions options{.precision = precision,
                                   .output = output,
                                   .progress = progress_of(call, progress, name),
                                   .check = check,
                                   .force = force,
                                   .tune = tune};
  return call.run([&] { return manager->export_model(name, options); });
}

nb::object json_value(const std::string& text) {
  return nb::module_::import_("json").attr("loads")(text);
}

nb::object tune_model(Manager& manager, const std::string& name, const nb::object& progress) {
  Call call;
  const auto report =
      call.run([&] { return manager->tune_model(name, progress_of(call, progress, name)); });
  return json_value(tuning_json(report));
}

// An array that owns its values.
nb::object matrix(std::vector<float> values, int64_t rows, int64_t columns) {
  auto* owned = new std::vector<float>(std::move(values));
  const nb::capsule owner(owned,
                          [](void* p) noexcept { delete static_cast<std::vector<float>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, float, nb::ndim<2>>(
      owned->data(), {static_cast<size_t>(rows), static_cast<size_t>(columns)}, owner));
}

std::vector<std::string> converted(const std::vector<nb::str>& texts) {
  std::vector<std::string> result;
  for (const nb::str& text : texts) result.push_back(utf8(text, "a text"));
  return result;
}

nb::object embed(Manager& manager, const std::string& name, const std::vector<nb::str>& texts,
                 const std::string& pooling, bool normalize, bool truncate) {
  const auto inputs = converted(texts);
  auto result = Call().run([&] {
    return manager->embed(name, inputs,
                          {.pooling = pooling, .normalize = normalize, .truncate = truncate});
  });
  return matrix(std::move(result.values), result.count, result.size);
}

nb::object infer(Manager& manager, const std::string& name, const std::vector<nb::str>& texts,
                 const std::vector<nb::str>& pairs, bool truncate) {
  const auto inputs = converted(texts);
  const InferOptions options{.pairs = converted(pairs), .truncate = truncate};
  auto result = Call().run([&] { return manager->infer(name, inputs, options); });
  const auto columns = static_cast<int64_t>(result.labels.size());
  return matrix(std::move(result.logits), result.count, columns);
}

void bind_results(nb::module_& module) {
  nb::class_<ExportResult>(module, "ExportResult", "What an export wrote.")
      .def_ro("xml_path", &ExportResult::xml_path, "The model's structure.")
      .def_ro("bin_path", &ExportResult::bin_path, "The model's weights.")
      .def_ro("bytes", &ExportResult::bytes, "Size of the .bin.")
      .def_ro("seconds", &ExportResult::seconds, "Of the conversion alone.")
      .def_prop_ro(
          "fidelity",
          [](const ExportResult& self) { return json_value(fidelity_json(self.fidelity)); },
          nb::sig("def fidelity(self) -> dict"),
          "The report of the check: what <name>.fidelity.json holds.")
      .def_prop_ro(
          "tuning",
          [](const ExportResult& self) {
            return self.tuning ? json_value(tuning_json(*self.tuning)) : nb::none();
          },
          nb::sig("def tuning(self) -> dict | None"),
          "The report of the tuning: what <name>.tuning.json holds; None: it was not tuned.");

  nb::class_<ScoreResult>(module, "ScoreResult", "Scores of a text, from one forward pass.")
      .def_prop_ro(
          "tokens",
          [](ScoreResult& self) {
            return Vector<int64_t>(self.tokens.data(), {self.tokens.size()});
          },
          nb::rv_policy::reference_internal, "int64 [T]: the text's token ids.")
      .def_prop_ro(
          "log_probabilities",
          [](ScoreResult& self) {
            return Vector<float>(self.log_probabilities.data(), {self.log_probabilities.size()});
          },
          nb::rv_policy::reference_internal,
          "float32 [T-1]: log-probability of token t+1 given tokens 0..t.")
      .def_prop_ro(
          "logits",
          [](ScoreResult& self) -> std::optional<Matrix> {
            if (self.logits.empty()) return std::nullopt;
            const auto vocabulary = static_cast<size_t>(self.vocabulary_size);
            return Matrix(self.logits.data(), {self.logits.size() / vocabulary, vocabulary});
          },
          nb::rv_policy::reference_internal,
          "float32 [T, V]: unnormalised scores of the next token; None unless asked for.");
}

}  // namespace

void bind_manager(nb::module_& module) {
  bind_results(module);
  const auto none = nb::none();
  nb::class_<Manager>(module, "ModelManager", "See mm_orch.runtime.model_manager.")
      .def(
          "__init__",
          [](Manager* self, std::optional<std::string> backend,
             std::optional<std::string> config_path, std::optional<std::string> config_text,
             int64_t max_cached_models, std::optional<int64_t> max_cached_bytes,
             const std::string& default_device, double residency_s) {
            new (self) Manager({.backend = std::move(backend),
                                .config_path = std::move(config_path),
                                .config_text = std::move(config_text),
                                .max_cached_models = max_cached_models,
                                .max_cached_bytes = max_cached_bytes,
                                .default_device = default_device,
                                .residency_s = residency_s});
          },
          nb::arg("backend").none(), nb::arg("config_path").none(), nb::arg("config_text").none(),
          nb::arg("max_cached_models"), nb::arg("max_cached_bytes").none(),
          nb::arg("default_device"), nb::arg("residency_s"))
      .def(
          "load_model",
          [](Manager& self, const std::string& name, const std::string& source,
             std::optional<std::string> backend, std::optional<std::string> device) {
            const LoadModelOptions options{std::move(backend), std::move(device)};
            Call().run([&] { self->load_model(name, source, options); });
          },
          nb::arg("name"), nb::arg("source"), nb::arg("backend_override").none(),
          nb::arg("device").none())
      .def("generate", &generate, nb::arg("name"), nb::arg("prompt"), nb::arg("options"))
      .def("generate_batch", &generate_batch, nb::arg("name"), nb::arg("prompts"),
           nb::arg("options"))
      .def("generate_tokens", &generate_tokens, nb::arg("name"), nb::arg("prompts"),
           nb::arg("options"), nb::arg("indexed"))
      .def("embed", &embed, nb::arg("name"), nb::arg("texts"), nb::arg("pooling"),
           nb::arg("normalize"), nb::arg("truncate"))
      .def("infer", &infer, nb::arg("name"), nb::arg("texts"), nb::arg("pairs"),
           nb::arg("truncate"))
      .def(
          "score",
          [](Manager& self, const std::string& name, const nb::str& text, bool with_logits,
             bool stepwise) {
            const std::string converted = utf8(text, "the text");
            return Call().run([&] {
              return self->score(name, converted, {with_logits, stepwise});
            });
          },
          nb::arg("name"), nb::arg("text"), nb::arg("with_logits"), nb::arg("stepwise"))
      .def(
          "score_tokens",
          [](Manager& self, const std::string& name, const Tokens& tokens, bool with_logits,
             bool stepwise) {
            return Call().run([&] {
              return self->score_tokens(name, tokens, {with_logits, stepwise});
            });
          },
          nb::arg("name"), nb::arg("tokens"), nb::arg("with_logits"), nb::arg("stepwise"))
      .def(
          "tokenize",
          [](Manager& self, const std::string& name, const nb::str& text, bool add_special_tokens) {
            const std::string converted = utf8(text, "the text");
            return Call().run([&] { return self->tokenize(name, converted, add_special_tokens); });
          },
          nb::arg("name"), nb::arg("text"), nb::arg("add_special_tokens"))
      .def(
          "detokenize",
          [](Manager& self, const std::string& name, const Tokens& tokens,
             bool skip_special_tokens) {
            return Call().run([&] { return self->detokenize(name, tokens, skip_special_tokens); });
          },
          nb::arg("name"), nb::arg("tokens"), nb::arg("skip_special_tokens"))
      .def("apply_chat_template", &apply_chat_template, nb::arg("name"), nb::arg("messages"),
           nb::arg("add_generation_prompt"))
      .def(
          "register_model",
          [](Manager& self, const std::string& name, const std::string& path) {
            Call().run([&] { self->register_model(name, path); });
          },
          nb::arg("name"), nb::arg("path"))
      .def(
          "reload_config",
          [](Manager& self, const std::optional<std::string>& config_path) {
            Call().run([&] { self->reload_config(config_path); });
          },
          nb::arg("config_path").none())
      .def(
          "replace_config",
          [](Manager& self, const std::string& config_text) {
            Call().run([&] { self->replace_config(config_text); });
          },
          nb::arg("config_text"))
      .def("export_model", &export_model, nb::arg("name"), nb::arg("precision"),
           nb::arg("output").none(), nb::arg("progress").none(), nb::arg("check"), nb::arg("force"),
           nb::arg("tune"))
      .def("tune_model", &tune_model, nb::arg("name"), nb::arg("progress").none())
      .def(
          "unload_model",
          [](Manager& self, const std::string& name) {
            return Call().run([&] { return self->unload_model(name); });
          },
          nb::arg("name"))
      .def("unload_all", [](Manager& self) { Call().run([&] { self->unload_all(); }); })
      .def(
          "is_loaded",
          [](Manager& self, const std::string& name) {
            return Call().run([&] { return self->is_loaded(name); });
          },
          nb::arg("name"))
      .def("get_cached_models",
           [](Manager& self) { return Call().run([&] { return self->get_cached_models(); }); })
      .def(
          "get_model_info",
          [](Manager& self, const std::string& name) {
            return info_dict(Call().run([&] { return self->get_model_info(name); }));
          },
          nb::arg("name"))
      .def(
          "pin_model",
          [](Manager& self, const std::string& name, bool pinned) {
            Call().run([&] { self->pin_model(name, pinned); });
          },
          nb::arg("name"), nb::arg("pinned"))
      .def("cleanup_stale",
           [](Manager& self) { return Call().run([&] { return self->cleanup_stale(); }); })
      .def("get_cache_info",
           [](Manager& self) {
             return cache_dict(Call().run([&] { return self->get_cache_info(); }));
           })
      .def(
          "get_scheduling_stats",
          [](Manager& self, const std::string& name) -> nb::object {
            const auto stats = Call().run([&] { return self->get_scheduling_stats(name); });
            return stats ? nb::object(scheduling_dict(*stats)) : nb::none();
          },
          nb::arg("name"))
      .def("get_all_performance_stats",
           [](Manager& self) {
             nb::dict result;
             const auto all = Call().run([&] { return self->get_performance_stats(); });
             for (const auto& [backend, stats] : all) result[backend.c_str()] = stats_dict(stats);
             return result;
           })
      .def(
          "get_performance_stats",
          [](Manager& self, const std::string& backend, const std::optional<std::string>& model) {
            return stats_dict(
                Call().run([&] { return self->get_performance_stats(backend, model); }));
          },
          nb::arg("backend"), nb::arg("model").none())
      .def("get_usage_stats",
           [](Manager& self) {
             nb::dict result;
             const auto all = Call().run([&] { return self->get_usage_stats(); });
             for (const auto& [model, usage] : all) result[model.c_str()] = usage_dict(usage);
             return result;
           })
      .def(
          "compare_backends",
          [](Manager& self, const std::string& first, const std::string& second) {
            Call call;
            ComparisonOptions options;
            options.cancel = std::make_shared<InterruptToken>(call, nullptr);
            return comparison_dict(
                call.run([&] { return self->compare_backends(first, second, options); }), first,
                second);
          },
          nb::arg("first"), nb::arg("second"))
      .def("get_fallback_events", [](Manager& self) {
        nb::list result;
        for (const FallbackEvent& event : Call().run([&] { return self->get_fallback_events(); })) {
          result.append(event_dict(event));
        }
        return result;
      });
}

}  // namespace mm_orch::python
