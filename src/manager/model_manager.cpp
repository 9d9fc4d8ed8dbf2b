// The public face: turns its calls into those of the loader, the cache, the generator
// and the monitors. Holds no lock of its own.
#include "mm_orch/model_manager.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <utility>

#include "backend/plugin.h"
#include "config/live_config.h"
#include "exporter/exporter.h"
#include "exporter/tuning.h"
#include "generation/scheduled_model.h"
#include "manager/artifact_path.h"
#include "manager/backend_comparison.h"
#include "manager/draft_models.h"
#include "manager/embedding.h"
#include "manager/failover_sessions.h"
#include "manager/manager_options.h"
#include "manager/model_cache.h"
#include "manager/model_tuning.h"
#include "manager/openvino_artifact.h"
#include "manager/performance_monitor.h"
#include "manager/scoring.h"
#include "manager/statistics_log.h"
#include "manager/text_generation.h"
#include "manager/usage_stats.h"
#include "mm_orch/log.h"
#include "models/registry.h"
#include "text/chat_template.h"

namespace mm_orch {

namespace {

using manager::ModelCache;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// A backend does not know the name that its model has here.
template <class Work>
auto naming(const std::string& model, Work&& work) {
  try {
    return work();
  } catch (const MuAIError& error) {
    if (!error.context().model.empty()) throw;
    auto context = error.context();
    context.model = model;
    throw_error(error.code(), error.what(), std::move(context));
  }
}

}  // namespace

class ModelManager::Implementation {
 public:
  explicit Implementation(const ModelManagerOptions& options)
      : backend(manager::checked(options).backend),
        default_device(options.default_device),
        config(manager::read_config(options), options.config_path),
        cache({.models = options.max_cached_models,
               .residency_s = options.residency_s,
               .bytes = options.max_cached_bytes}) {}

  ModelCache::Lease require(const std::string& name) {
    auto model = cache.find(name);
    if (!model) refuse_unloaded(name);
    usage.used(name);
    return model;
  }

  [[noreturn]] void refuse_unloaded(const std::string& name) const {
    const auto loaded = cache.names();
    throw InvalidInputError(
        fmt::format("Model '{}' is not loaded ({}); call load_model(\"{}\") first", name,
                    loaded.empty() ? "none is" : fmt::format("loaded: {}", fmt::join(loaded, ", ")),
                    name),
        ErrorContext{.model = name});
  }

  // `start` is when the call began, so that tokenizing counts.
  std::vector<GenerationResult> run(manager::HostedModel& model,
                                    const std::vector<std::vector<int64_t>>& prompts,
                                    const GenerationConfig& asked, Clock::time_point start) {
    if (prompts.empty()) return {};
    const auto& assets = model.assets;
    auto resolved = manager::resolve(asked, assets, prompts);
    std::optional<ModelCache::Lease> draft;
    if (asked.draft_model) {
      draft.emplace(require(*asked.draft_model));
      resolved.draft = drafts.make(model, **draft);
    }
    manager::FailoverSessions sessions(model, loader);
    const double before_s = seconds_since(start);
    auto results = naming(assets.name, [&] {
      return manager::generate(sessions, assets, assets.tokenizer, prompts, resolved);
    });
    sessions.finished();
    const double latency_s = seconds_since(start);
    int64_t prompt_tokens = 0, new_tokens = 0;
    for (auto& result : results) {
      prompt_tokens += static_cast<int64_t>(result.prompt_tokens.size());
      result.latency_s = latency_s;
      result.time_to_first_token_s += before_s;
      new_tokens += static_cast<int64_t>(result.new_tokens.size());
    }
    // A call that moved says nothing about the speed of either backend.
    if (!sessions.moved())
      performance.record(sessions.backend_name(), assets.name, latency_s,
                         results[0].time_to_first_token_s, new_tokens);
    usage.generated(assets.name, prompt_tokens, new_tokens);
    for (size_t i = 0; i < prompts.size(); ++i)
      recent.add({assets.name, prompts[i], static_cast<int64_t>(results[i].new_tokens.size())});
    if (statistics_log.is_due(config.get()->statistics.log_interval_seconds))
      log(LogLevel::kInfo, manager::statistics_line(all_stats()));
    return results;
  }

  // The cached model, if that backend serves it; else one loaded for the caller alone.
  struct Served {
    std::optional<ModelCache::Lease> lease;
    std::shared_ptr<manager::HostedModel> own;
    manager::HostedModel& model() { return own ? *own : **lease; }
  };
  Served serve(const std::string& name, const std::string& asked) {
    if (auto cached = cache.find(name); cached && cached->backend == asked)
      return {std::move(cached), nullptr};
    const auto now = config.get();
    const manager::Placement placement{
        asked, manager::choose_device(asked, std::nullopt, *now, default_device),
        names.resolve(name), now};
    try {
      return {std::nullopt, loader.load_exactly(placement, [] {})};
    } catch (const MuAIError& error) {
      throw BackendError(
          fmt::format("Backend '{}' cannot serve '{}': {}", asked, name, error.what()),
          ErrorContext{.model = name, .backend = asked});
    }
  }

  PerformanceStats stats(const std::string& name,
                         const std::optional<std::string>& model = {}) const {
    auto stats = performance.stats(name, model);
    stats.fallback_count = fallbacks.count(name, model);
    return stats;
  }

  void use(config::Config next, const std::optional<std::string>& path) {
    recent.keep(next.statistics.keep_prompts);
    config.set(std::move(next), path);
  }

  std::map<std::string, PerformanceStats> all_stats() const {
    std::map<std::string, PerformanceStats> all;
    for (const auto& name : performance.backends()) all[name] = stats(name);
    return all;
  }

  const std::optional<std::string> backend;
  const std::string default_device;
  config::LiveConfig config;
  manager::ModelNames names;
  manager::FallbackLog fallbacks;
  manager::PerformanceMonitor performance;
  manager::UsageStats usage;
  manager::StatisticsLog statistics_log;
  manager::RecentPrompts recent{config.get()->statistics.keep_prompts};
  manager::ModelLoader loader{fallbacks};
  manager::DraftModels drafts;
  ModelCache cache;
};

ModelManager::ModelManager(const ModelManagerOptions& options)
    : implementation_(std::make_unique<Implementation>(options)) {}
ModelManager::~ModelManager() = default;

void ModelManager::load_model(const std::string& name, const std::string& source,
                              const LoadModelOptions& options) {
  auto& self = *implementation_;
  if (source != "transformers")
    throw InvalidInputError(
        fmt::format("Unknown source '{}' of model '{}'; allowed is \"transformers\"", source, name),
        ErrorContext{.model = name});
  if (options.backend_override)
    config::check_backend_name(*options.backend_override, "backend_override",
                               ErrorCode::kInvalidInput);
  if (options.device)
    config::check_device_name(*options.device, "device", ErrorCode::kInvalidInput);
  manager::Placement asked;
  asked.model = self.names.resolve(name);
  asked.config = self.config.get();
  asked.backend =
      manager::choose_backend(name, options.backend_override, *asked.config, self.backend);
  asked.device =
      manager::choose_device(asked.backend, options.device, *asked.config, self.default_device);
  bool loads = false;
  self.cache.load_once(name, asked, [&](const ModelCache::MakeRoom& make_room) {
    loads = true;
    return naming(name, [&] { return self.loader.load(asked, make_room); });
  });
  if (loads) self.usage.loaded(name);
}

std::string ModelManager::generate(const std::string& name, const std::string& prompt,
                                   const GenerationConfig& config) {
  const auto result = generate(name, std::vector{prompt}, config).front();
  return result.continues_prompt ? prompt + result.text : result.text;
}

std::vector<GenerationResult> ModelManager::generate(const std::string& name,
                                                     const std::vector<std::string>& prompts,
                                                     const GenerationConfig& config) {
  const auto start = Clock::now();
  const auto model = implementation_->require(name);
  std::vector<std::vector<int64_t>> tokens;
  for (const auto& prompt : prompts) tokens.push_back(model->assets.encode(prompt));
  return implementation_->run(*model, tokens, config, start);
}

std::vector<GenerationResult> ModelManager::generate_tokens(
    const std::string& name, const std::vector<std::vector<int64_t>>& prompts,
    const GenerationConfig& config) {
  const auto start = Clock::now();
  const auto model = implementation_->require(name);
  naming(name, [&] {
    for (const auto& prompt : prompts) manager::check_token_ids(prompt, model->assets.info);
  });
  return implementation_->run(*model, prompts, config, start);
}

Embeddings ModelManager::embed(const std::string& name, const std::vector<std::string>& texts,
                               const EmbedOptions& options) {
  const auto model = implementation_->require(name);
  manager::FailoverSessions sessions(*model, implementation_->loader);
  auto result = naming(name, [&] {
    return manager::embed(sessions, model->assets,
                          manager::tokenize(model->assets, texts, {}, options.truncate), options);
  });
  sessions.finished();
  return result;
}

Classification ModelManager::infer(const std::string& name, const std::vector<std::string>& texts,
                                   const InferOptions& options) {
  const auto model = implementation_->require(name);
  manager::FailoverSessions sessions(*model, implementation_->loader);
  auto result = naming(name, [&] {
    return manager::classify(
        sessions, model->assets,
        manager::tokenize(model->assets, texts, options.pairs, options.truncate));
  });
  sessions.finished();
  return result;
}

ScoreResult ModelManager::score(const std::string& name, const std::string& text,
                                const ScoreOptions& options) {
  const auto model = implementation_->require(name);
  return score_tokens(name, model->assets.encode(text), options);
}

ScoreResult ModelManager::score_tokens(const std::string& name, const std::vector<int64_t>& tokens,
                                       const ScoreOptions& options) {
  const auto model = implementation_->require(name);
  manager::require_decoder(model->assets, "score a text");
  manager::FailoverSessions sessions(*model, implementation_->loader);
  auto result = naming(
      name, [&] { return manager::score_tokens(sessions, model->assets.info, tokens, options); });
  sessions.finished();
  return result;
}

std::vector<int64_t> ModelManager::tokenize(const std::string& name, const std::string& text,
                                            bool add_special_tokens) {
  const auto model = implementation_->require(name);
  return model->assets.require_tokenizer().encode(text, add_special_tokens);
}

std::string ModelManager::detokenize(const std::string& name, const std::vector<int64_t>& tokens,
                                     bool skip_special_tokens) {
  const auto model = implementation_->require(name);
  return model->assets.require_tokenizer().decode(tokens, skip_special_tokens);
}

std::string ModelManager::apply_chat_template(const std::string& name,
                                              const std::vector<ChatMessage>& messages,
                                              bool add_generation_prompt) {
  const auto model = implementation_->require(name);
  if (!model->assets.chat_template)
    throw InvalidInputError(
        fmt::format("Model '{}' has no chat template (chat_template.jinja, or chat_template in "
                    "tokenizer_config.json); use generate with a plain prompt",
                    name),
        ErrorContext{.model = name});
  auto list = nlohmann::json::array();
  for (const auto& message : messages)
    list.push_back({{"role", message.role}, {"content", message.content}});
  return text::render_chat(*model->assets.chat_template, list, model->assets.special_tokens,
                           add_generation_prompt);
}

void ModelManager::register_model(const std::string& name, const std::string& path) {
  implementation_->names.add(name, path);
}

void ModelManager::reload_config(const std::optional<std::string>& config_path) {
  auto& self = *implementation_;
  const auto path = config_path ? config_path : self.config.path();
  if (!path)
    throw InvalidInputError(
        "There is no configuration file to read again: none was given to the manager; name one");
  self.use(config::load_config_file(*path), path);
}

void ModelManager::replace_config(const std::string& config_text) {
  implementation_->use(config::parse_config(config_text, "backend_config"), std::nullopt);
}

ExportResult ModelManager::export_model(const std::string& name,
                                        const ExportModelOptions& options) {
  const auto precision = backend::parse_precision(options.precision);
  const auto model = implementation_->names.resolve(name);
  const auto folder =
      manager::artifact_folder(model, implementation_->config.get()->openvino.cache_dir);
  const auto source = manager::open_source(model);
  auto& openvino = backend::get_backend(manager::kOpenVino);
  auto result = exporter::export_model(
      *source, openvino,
      {.folder = options.output ? std::filesystem::path(*options.output) : folder,
       .stem = manager::artifact_stem(model),
       .precision = precision,
       .progress = options.progress,
       .check = options.check,
       .force = options.force,
       .keep_compiled = implementation_->config.get()->openvino.keep_compiled});
  if (options.tune && result.fidelity.status != FidelityStatus::kFailed)
    result.tuning = manager::tune_if_possible({.source = source.get(),
                                               .backend = openvino,
                                               .xml = result.xml_path,
                                               .info = models::model_info(source->config()),
                                               .progress = options.progress});
  return result;
}

TuningReport ModelManager::tune_model(const std::string& name, const ProgressCallback& progress) {
  const auto model = implementation_->names.resolve(name);
  auto& openvino = backend::get_backend(manager::kOpenVino);
  const auto opened =
      manager::open_openvino_artifact(model, implementation_->config.get()->openvino, openvino);
  return naming(name, [&] {
    return exporter::tune({.source = opened.assets.source.get(),
                           .backend = openvino,
                           .xml = opened.file,
                           .info = opened.assets.info,
                           .progress = progress});
  });
}

bool ModelManager::unload_model(const std::string& name) {
  return implementation_->cache.remove(name);
}

void ModelManager::unload_all() { implementation_->cache.clear(); }

bool ModelManager::is_loaded(const std::string& name) const {
  return implementation_->cache.contains(name);
}

std::vector<std::string> ModelManager::get_cached_models() const {
  return implementation_->cache.names();
}

void ModelManager::pin_model(const std::string& name, bool pinned) {
  if (!implementation_->cache.pin(name, pinned)) implementation_->refuse_unloaded(name);
}

int64_t ModelManager::cleanup_stale() { return implementation_->cache.remove_stale(); }

std::optional<SchedulingStats> ModelManager::get_scheduling_stats(const std::string& name) const {
  const auto model = implementation_->cache.find(name);
  if (!model) implementation_->refuse_unloaded(name);
  const auto* scheduled = dynamic_cast<const generation::ScheduledModel*>(model->model.get());
  if (!scheduled) return std::nullopt;
  return scheduled->stats();
}

CacheInformation ModelManager::get_cache_info() const { return implementation_->cache.info(); }

ModelInformation ModelManager::get_model_info(const std::string& name) const {
  const auto model = implementation_->require(name);
  const auto& info = model->assets.info;
  return {.name = name,
          .architecture = info.architecture,
          .path = model->path.string(),
          .backend = model->backend,
          .device = model->model->device(),
          .precision = model->model->precision(),
          .context_length = info.context_length,
          .vocabulary_size = info.vocabulary_size,
          .labels = info.labels,
          .memory_bytes = model->memory_bytes()};
}

std::map<std::string, PerformanceStats> ModelManager::get_performance_stats() const {
  return implementation_->all_stats();
}

PerformanceStats ModelManager::get_performance_stats(
    const std::string& backend, const std::optional<std::string>& model) const {
  config::check_backend_name(backend, "backend", ErrorCode::kInvalidInput);
  return implementation_->stats(backend, model);
}

std::map<std::string, ModelUsage> ModelManager::get_usage_stats() const {
  auto all = implementation_->usage.all();
  for (auto& [name, usage] : all)
    if (!is_loaded(name)) usage.loaded_since_s.reset();
  return all;
}

BackendComparison ModelManager::compare_backends(const std::string& first,
                                                 const std::string& second,
                                                 const ComparisonOptions& options) {
  auto& self = *implementation_;
  config::check_backend_name(first, "first backend", ErrorCode::kInvalidInput);
  config::check_backend_name(second, "second backend", ErrorCode::kInvalidInput);
  if (first == second)
    throw InvalidInputError(fmt::format("Both backends are '{}'; name two different ones", first));
  if (options.model.empty() != options.prompts.empty())
    throw InvalidInputError("A comparison takes a model and prompts, or neither");
  auto prompts = self.recent.of_last_model();
  if (options.prompts.empty() && prompts.empty())
    throw InvalidInputError(
        "No prompt is kept to compare the backends on; call generate first, with "
        "statistics: {keep_prompts: true} in the configuration (the default)");
  const auto model = options.prompts.empty() ? prompts.front().model : options.model;
  auto a = self.serve(model, first);
  auto b = self.serve(model, second);
  return naming(model, [&] {
    if (!options.prompts.empty()) prompts = manager::prompts_of(options, a.model().assets);
    return manager::compare_on(prompts, a.model(), b.model(), self.loader, options);
  });
}

std::vector<FallbackEvent> ModelManager::get_fallback_events() const {
  return implementation_->fallbacks.events();
}

}  // namespace mm_orch
