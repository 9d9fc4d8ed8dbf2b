// ModelManager: loads many models, keeps the useful ones in memory, chooses the
// backend, and generates text. If OpenVINO is missing, breaks or lacks the model, the
// answer comes from PyTorch, and the event is recorded and logged.
//
// Thread-safe. A model in use is never evicted. Models, sessions and files are owned
// by the manager.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mm_orch/errors.h"
#include "mm_orch/export.h"
#include "mm_orch/fidelity.h"
#include "mm_orch/generation_config.h"
#include "mm_orch/scheduling.h"
#include "mm_orch/tuning.h"

namespace mm_orch {

struct ModelManagerOptions {
  /// "pytorch" or "openvino"; wins over the configuration's `default`. Not set: the
  /// configuration's.
  std::optional<std::string> backend;
  /// Path of a YAML file (config/backend.yaml). Not set: no file is read.
  std::optional<std::string> config_path;
  /// The configuration itself, as YAML or JSON text, with or without the outer `backend:` level.
  std::optional<std::string> config_text;
  /// Models kept at most, >= 1.
  int64_t max_cached_models = 3;
  /// Bytes of weights kept at most, >= 1, measured once a model is loaded (which may take more for
  /// the moment). Not set: no such limit.
  std::optional<int64_t> max_cached_bytes = {};
  /// Device for models whose configuration names none: "auto", "cpu", "GPU" ...
  std::string default_device = "auto";
  /// A model idle for longer may go when room is needed. Seconds, > 0.
  double residency_s = 30;
};

struct LoadModelOptions {
  /// Wins over `model_overrides`, the constructor's backend and the configuration's default.
  std::optional<std::string> backend_override;
  std::optional<std::string> device;
};

enum class FallbackReason {
  kBackendNotAvailable,
  kModelNotExported,
  kModelFileInvalid,
  kCompileFailed,
  kDeviceNotAvailable,
  kInferenceFailed,
  kNumericFault,
  kOutOfMemory,
  kFidelityCheckFailed,
};
MM_ORCH_EXPORT std::string fallback_reason_name(FallbackReason reason);  // "model_not_exported"

struct FallbackEvent {
  double time_s;  // Unix time
  std::string model;
  std::string from_backend;
  std::string to_backend;
  FallbackReason reason;
  std::string message;
};

/// Figures of one backend. NaN where nothing has run. Quantiles are within 1%
/// (DDSketch, Masson et al. 2019).
struct PerformanceStats {
  double avg_latency_s;
  double p50_latency_s;
  double p95_latency_s;
  double p99_latency_s;
  double avg_throughput;  // new tokens per second
  double time_to_first_token_s;
  int64_t sample_count = 0;  // calls of generate, without those that moved to another backend
  int64_t fallback_count = 0;
};

/// How much a model was used since the manager was made.
struct ModelUsage {
  int64_t loads = 0;
  int64_t generations = 0;  // calls of generate that gave an answer, a batch being one
  int64_t prompt_tokens = 0;
  int64_t new_tokens = 0;
  double last_used_s = 0;                // Unix time of the last call that needed it
  std::optional<double> loaded_since_s;  // Unix time; not set: it is not in memory now
};

struct ComparisonOptions {
  /// A model, and prompts as token ids, each in [0, V); both or neither. Not set: the last prompts
  /// of the model used last, each as long as its answer was.
  std::string model = {};
  std::vector<std::vector<int64_t>> prompts = {};
  int64_t max_new_tokens = 50;  // of each of these prompts, >= 1
  std::function<void(int64_t done, int64_t total)> progress = {};
  std::shared_ptr<const CancelToken> cancel = {};
};

/// Two backends on the same prompts. All figures come from runs made for the comparison: greedy, in
/// turn, warm-up excluded.
struct BackendComparison {
  std::string model;
  /// Latency of the first backend / latency of the second: above 1, the second is faster.
  /// Geometric mean of the pairs of runs, with its 95% confidence interval.
  double latency_improvement = 0;
  double latency_improvement_low = 0;
  double latency_improvement_high = 0;
  double throughput_improvement = 0;  // tokens per second of the second / of the first
  PerformanceStats first_stats;
  PerformanceStats second_stats;
  std::string first_precision;  // "FP32"
  std::string second_precision;
  uint64_t first_memory_bytes = 0;
  uint64_t second_memory_bytes = 0;
  /// Index of the first new token at which an answer differs; none if all are equal.
  std::optional<int64_t> first_difference;
};

/// A model in memory.
struct CachedModel {
  std::string name;
  std::string backend;
  uint64_t memory_bytes = 0;
  double idle_s = 0;  // since its last use
  bool in_use = false;
  bool pinned = false;
};

struct CacheInformation {
  int64_t max_cached_models = 0;
  std::optional<uint64_t> max_cached_bytes;
  double residency_s = 0;
  uint64_t memory_bytes = 0;        // of all
  std::vector<CachedModel> models;  // most recently used first
};

struct ModelInformation {
  std::string name;
  std::string architecture;
  std::string path;
  std::string backend;  // that serves it
  std::string device;
  std::string precision;   // "FP32"
  int64_t context_length;  // tokens; 0: no limit
  int64_t vocabulary_size;
  std::vector<std::string> labels;  // of a classification head, in the order of infer's scores
  uint64_t memory_bytes;
};

/// Scores of the given text, from one forward pass.
struct ScoreResult {
  std::vector<int64_t> tokens;           // [T]
  std::vector<float> log_probabilities;  // [T-1]: of token t+1 given tokens 0..t
  std::vector<float> logits;             // [T, V], if asked for
  int64_t vocabulary_size = 0;
};

struct ScoreOptions {
  bool with_logits = false;
  /// Feed token by token through the KV cache instead of in one pass.
  bool stepwise = false;
};

struct EmbedOptions {
  /// "mean" of all tokens' vectors (Reimers and Gurevych 2019), or "cls", the first one's.
  std::string pooling = "mean";
  /// Scale each vector to length 1.
  bool normalize = false;
  /// Cut a text at the model's longest length instead of refusing it.
  bool truncate = false;
};

struct Embeddings {
  std::vector<float> values;  // [count, size], row by row
  int64_t count = 0;
  int64_t size = 0;
};

struct InferOptions {
  /// The second text of each, for models that judge pairs; empty: none.
  std::vector<std::string> pairs;
  bool truncate = false;  // the longer text of a pair first
};

struct Classification {
  std::vector<float> logits;  // [count, labels], row by row
  int64_t count = 0;
  std::vector<std::string> labels;
};

/// Called as work goes on; `what` names the present part.
using ProgressCallback = std::function<void(int64_t done, int64_t total, const std::string& what)>;

struct ExportModelOptions {
  std::string precision = "FP32";     // "FP32", "FP16", "INT8", "INT4"
  std::optional<std::string> output;  // folder; not set: <cache_dir>/<name>
  /// Of weights, by name; then "checking" while the positions of the check are counted, and
  /// "tuning" while settings are.
  ProgressCallback progress;
  /// Compare the result with PyTorch. Both are in memory then. A model that fails is kept but not
  /// loaded.
  bool check = true;
  bool force = false;  // load it all the same
  /// Then do as tune_model. What cannot be tuned is logged.
  bool tune = false;
};

struct ExportResult {
  std::string xml_path;  // of an encoder-decoder model the decoder's, the encoder's being beside it
  std::string bin_path;
  uint64_t bytes = 0;  // of the weights, all files
  double seconds = 0;  // the conversion alone
  FidelityReport fidelity;
  std::optional<TuningReport> tuning;
};

struct ChatMessage {
  std::string role;  // "system", "user", "assistant"
  std::string content;
};

class MM_ORCH_EXPORT ModelManager {
 public:
  /// @throws ConfigurationError  naming file, key, what was found and what is allowed.
  explicit ModelManager(const ModelManagerOptions& options = {});
  ~ModelManager();
  ModelManager(const ModelManager&) = delete;
  ModelManager& operator=(const ModelManager&) = delete;

  /// Loads a model and makes it ready (warm-up included). Loading a loaded model does nothing,
  /// unless another backend or device is asked for now: then it is loaded anew there.
  /// @param source  where it comes from; "transformers" is the only source.
  /// @throws ModelNotFoundError, ModelLoadError, BackendError (fallback off), InvalidInputError;
  ///         OutOfMemoryError (larger than max_cached_bytes, too; what was loaded before stays).
  void load_model(const std::string& name, const std::string& source = "transformers",
                  const LoadModelOptions& options = {});

  /// The prompt followed by its continuation; of an encoder-decoder model the new text alone.
  /// @throws InvalidInputError  the model is not loaded, or see GenerationConfig.
  std::string generate(const std::string& name, const std::string& prompt,
                       const GenerationConfig& config = {});
  /// A batch: one result per prompt, in order.
  std::vector<GenerationResult> generate(const std::string& name,
                                         const std::vector<std::string>& prompts,
                                         const GenerationConfig& config = {});
  /// Prompts as token ids, each in [0, V).
  std::vector<GenerationResult> generate_tokens(const std::string& name,
                                                const std::vector<std::vector<int64_t>>& prompts,
                                                const GenerationConfig& config = {});

  /// Vectors of texts, from an encoder (BERT and its kind).
  /// @throws InvalidInputError  the model is no encoder, or a text is longer than it takes.
  Embeddings embed(const std::string& name, const std::vector<std::string>& texts,
                   const EmbedOptions& options = {});
  /// Scores of the classes that a classification head knows; softmax gives probabilities.
  /// @throws InvalidInputError  the model has no such head, or a text is longer than it takes.
  Classification infer(const std::string& name, const std::vector<std::string>& texts,
                       const InferOptions& options = {});

  ScoreResult score(const std::string& name, const std::string& text,
                    const ScoreOptions& options = {});
  ScoreResult score_tokens(const std::string& name, const std::vector<int64_t>& tokens,
                           const ScoreOptions& options = {});

  std::vector<int64_t> tokenize(const std::string& name, const std::string& text,
                                bool add_special_tokens = true);
  std::string detokenize(const std::string& name, const std::vector<int64_t>& tokens,
                         bool skip_special_tokens = true);
  /// The model's own chat template applied to the messages.
  std::string apply_chat_template(const std::string& name, const std::vector<ChatMessage>& messages,
                                  bool add_generation_prompt = true);

  /// From now on `name` stands for `path` in this manager: a folder with config.json or a .gguf
  /// file, a .gguf file, or an .xml file. It then works wherever a name does, and its exports lie
  /// under `<cache_dir>/<name>`. A name that was registered before moves; a model that is loaded
  /// under it stays until load_model is called again.
  /// @throws InvalidInputError   `name` is not of the form [\w.-]+(/[\w.-]+)?
  /// @throws ModelNotFoundError  nothing is at `path`, or no model.
  void register_model(const std::string& name, const std::string& path);

  /// Reads the configuration again and puts it in force, all or nothing: after an error the old one
  /// stays. Not set: from the file that was given last. A file that is gone means the defaults
  /// (PyTorch) and one warning. Models that are loaded keep what they were loaded with; load_model
  /// loads them anew if the settings of their backend have changed.
  /// @throws ConfigurationError  naming file, line, key, what was found and what is allowed.
  /// @throws InvalidInputError   no path is given and none was before.
  void reload_config(const std::optional<std::string>& config_path = {});
  /// The same with the configuration itself, as config_text.
  void replace_config(const std::string& config_text);

  /// Exports a model to OpenVINO IR, and checks it. Without the check only openvino is loaded.
  ExportResult export_model(const std::string& name, const ExportModelOptions& options = {});

  /// Finds the fastest settings of an exported model on this machine, by measuring for some
  /// seconds, and keeps them beside it; they count from the next load on. What the configuration
  /// says wins over them. Settings that change the arithmetic are kept only within half the
  /// divergence that an export of the model's precision may have from PyTorch; FP32 stays f32.
  /// @throws InvalidInputError  the model has an encoder alone.
  /// @throws OutOfMemoryError   there is no memory for the model twice.
  /// @throws ModelNotFoundError, ModelLoadError, BackendError  it is not there, or does not run.
  TuningReport tune_model(const std::string& name, const ProgressCallback& progress = {});

  bool unload_model(const std::string& name);  // false if it was not loaded
  void unload_all();
  bool is_loaded(const std::string& name) const;
  std::vector<std::string> get_cached_models() const;  // most recently used first
  /// Keeps a loaded model from eviction (not from unload_model), or ends that.
  /// @throws InvalidInputError  the model is not loaded.
  void pin_model(const std::string& name, bool pinned = true);
  /// Frees the models that were idle for longer than the residency, unless pinned or in use;
  /// returns how many.
  int64_t cleanup_stale();
  CacheInformation get_cache_info() const;
  /// How the requests to a loaded model shared its steps. Not set: its sessions share none (it is
  /// an encoder, or the backend keeps the state of each session apart).
  /// @throws InvalidInputError  the model is not loaded.
  std::optional<SchedulingStats> get_scheduling_stats(const std::string& name) const;
  ModelInformation get_model_info(const std::string& name) const;

  /// Keyed by the backends that have run.
  std::map<std::string, PerformanceStats> get_performance_stats() const;
  /// @param model  not set: of all models together.
  PerformanceStats get_performance_stats(const std::string& backend,
                                         const std::optional<std::string>& model = {}) const;
  /// Keyed by the models that were loaded, also where they are no longer.
  std::map<std::string, ModelUsage> get_usage_stats() const;
  /// Runs prompts on both backends and compares; those of the options, else the last ones (at most
  /// 8 are kept, in memory only). Takes 8 generations of each backend, and memory for the model on
  /// either meanwhile; the model need not be loaded.
  /// @throws InvalidInputError  no prompt is given and none was kept (nothing was generated yet, or
  ///                            `statistics: {keep_prompts: false}`), the backends are the same, or
  ///                            a prompt with its answer is longer than the context.
  /// @throws BackendError       a backend cannot serve the model.
  /// @throws CancelledError     by the options' token.
  BackendComparison compare_backends(const std::string& first, const std::string& second,
                                     const ComparisonOptions& options = {});
  std::vector<FallbackEvent> get_fallback_events() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// The manager of the process, made at the first call with the options' defaults. Thread-safe.
MM_ORCH_EXPORT std::shared_ptr<ModelManager> get_model_manager();

/// Puts a new manager in its place and unloads what the old one holds, all or nothing: after an
/// error the old one stays. Thread-safe; who still has the old one can go on with it.
/// @throws ConfigurationError  see ModelManager.
MM_ORCH_EXPORT std::shared_ptr<ModelManager> configure_model_manager(
    const ModelManagerOptions& options);

}  // namespace mm_orch
