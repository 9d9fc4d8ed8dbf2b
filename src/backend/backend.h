// What a backend is to the rest of the house. A plug-in (libmm_orch_torch.so,
// libmm_orch_openvino.so) implements Backend and hands it out through one C entry
// (src/backend/plugin.h). Everything that must be the same on every backend
// (tokens, sampling, stop rules, random state) lives outside.
//
// Backend, LoadedModel: thread-safe. Session: one thread at a time; sessions of one
// model may run side by side. A Session keeps its LoadedModel alive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/step_costs.h"
#include "graph/graph.h"
#include "mm_orch/errors.h"

namespace mm_orch::backend {

class PagedRunner;  // backend/paged.h

struct LoadOptions {
  std::string device =
      "auto";           // "cpu", "CPU", "GPU", "GPU.1", "AUTO", "auto": the backend's default
  int num_threads = 0;  // 0: the backend's default
  int num_streams = 0;  // 0: the backend's default
  /// "f32", "bf16", "f16" (OpenVINO), "int8" (PyTorch); empty: the artifact's own or f32.
  std::string inference_precision;
  uint64_t kv_cache_bytes = 1ULL << 30;           // of all sequences together; one context at least
  std::map<std::string, std::string> properties;  // passed to the SDK as they are
  /// Properties that tuning found on this machine: win over the artifact's own, not over the above.
  std::map<std::string, std::string> tuned;
  bool keep_compiled = false;  // of an artifact: in a file beside it, for the next load
};

struct SessionOptions {
  int64_t batch = 1;
  /// Left padding of each sequence in tokens [B]: the first `padding[b]` tokens fed are ignored and
  /// not counted in positions. Empty: none.
  std::vector<int64_t> padding;
  int64_t capacity = 0;  // tokens per sequence that will be fed at most; 0: unknown (may grow)
  /// Asked now and then while a step waits for others, in the thread that called it; true ends the
  /// step with CancelledError. Null: never.
  std::function<bool()> cancelled;
  /// Encoder-decoder models: the source tokens of each sequence [B][E_b], ids in [0, V). Kept by
  /// the caller while the session lives; read at its first step. Equal spans are encoded once.
  std::vector<std::span<const int64_t>> sources;
};

enum class LogitsOf { kLastToken, kAllTokens };

/// What one sequence of a session is fed, apart from the others.
struct RowTokens {
  size_t row = 0;                   // in [0, B)
  std::span<const int64_t> tokens;  // [T], one or more, ids in [0, V)
  int64_t logits = 1;               // of how many of its last tokens, [0, T]
};

class Session {
 public:
  virtual ~Session() = default;

  /// Feeds T new tokens to each sequence and returns logits.
  /// @param tokens  int64 [B, T], ids in [0, V).
  /// @return        float32 [B, 1, V] or [B, T, V], valid until the next call.
  /// @throws InvalidInputError  an id is outside [0, V), or past + T exceeds the context.
  /// @throws InferenceError     the backend failed; model, backend and device are attached.
  virtual std::span<const float> step(std::span<const int64_t> tokens, LogitsOf logits_of) = 0;

  /// True if sequences can be fed apart (the next two); then no padding is needed.
  virtual bool ragged() const { return false; }
  /// Feeds some of the sequences, each named once.
  /// @return  float32 [sum of RowTokens::logits, V], in the order of `rows`, valid until the next
  ///          call.
  /// @throws  as step; InferenceError if the session is not ragged.
  virtual std::span<const float> step_rows(std::span<const RowTokens> rows);
  /// The sequence forgets all but its first `length` tokens. A ragged session's.
  virtual void truncate(size_t row, int64_t length);
  /// Of the next step. A ragged session's.
  virtual StepOutlook outlook() const { return {}; }
  /// As PagedRunner has it.
  virtual int64_t alike_tokens() const { return 0; }
  /// The sequence is fed no more: what it holds is given back.
  virtual void close_row(size_t /*row*/) {}

  /// Sequence b continues from what sequence `source[b]` holds. int32 [B].
  virtual void reorder(std::span<const int32_t> source) = 0;

  /// Tokens fed so far, per sequence, padding included.
  virtual int64_t length() const = 0;
};

/// Texts for a model with an encoder alone.
struct EncoderInput {
  std::vector<std::span<const int64_t>> tokens;  // [B][E_b], each with a token or more
  std::vector<std::span<const int64_t>> types;   // of each token: 0 or 1; empty: all 0
};
struct EncoderOutput {
  std::vector<float> hidden;        // [ΣE_b, H], text after text
  std::vector<float> class_logits;  // [B, labels]; empty without a classification head
};

class LoadedModel : public std::enable_shared_from_this<LoadedModel> {
 public:
  virtual ~LoadedModel() = default;
  /// @throws InvalidInputError  the model has an encoder alone, or `options` do not fit it.
  virtual std::unique_ptr<Session> new_session(const SessionOptions& options) = 0;
  /// The paged cache of a decoder, which lives as long as the model. Null: the model has none, and
  /// its sessions cannot share steps.
  virtual PagedRunner* paged() { return nullptr; }
  /// Runs a model that has an encoder alone.
  /// @throws InvalidInputError  it has none, or an id or a length is out of range.
  /// @throws InferenceError     the backend failed; model, backend and device are attached.
  virtual EncoderOutput encode(const EncoderInput& input);
  /// The device it runs on, as the backend names it ("cpu", "CPU", "GPU.0").
  virtual std::string device() const = 0;
  /// Weights' precision: "FP32", "FP16", "INT8", "INT4".
  virtual std::string precision() const = 0;
  /// Bytes that weights and compiled kernels hold, as far as the backend can tell.
  virtual uint64_t memory_bytes() const = 0;
};

enum class Precision { kFP32, kFP16, kINT8, kINT4 };
MM_ORCH_EXPORT std::string precision_name(Precision precision);  // "FP32"
/// @throws InvalidInputError  naming the allowed values ("FP32", "FP16", "INT8", "INT4", any case).
MM_ORCH_EXPORT Precision parse_precision(const std::string& name);

/// Progress of long work: `done` of `total` units (weights), with the name of the current one.
using Progress = std::function<void(int64_t done, int64_t total, const std::string& what)>;

struct ExportOptions {
  Precision precision = Precision::kFP32;
  /// Kept inside the artifact: source fingerprint, mm_orch version ...
  std::map<std::string, std::string> metadata;
  Progress progress;
};

/// Settings that exclude each other, of which one may make a model faster.
struct TuningAxis {
  std::vector<std::map<std::string, std::string>> choices;  // as LoadOptions::properties
  bool changes_results = false;                             // it computes otherwise
};

/// An exported model on disk, opened but not yet compiled.
class Artifact {
 public:
  virtual ~Artifact() = default;
  /// ExportOptions::metadata as it was exported, and "precision"; empty for an artifact of another
  /// tool.
  virtual std::map<std::string, std::string> metadata() const = 0;
  virtual std::shared_ptr<LoadedModel> compile(const graph::ModelInfo& info,
                                               const LoadOptions& options) = 0;
  /// What is worth trying on this machine's CPU, the weightiest first.
  virtual std::vector<TuningAxis> tuning_axes(const graph::ModelInfo& /*info*/) { return {}; }
};

/// The file in which LoadOptions::keep_compiled keeps a model: `<stem>.compiled`.
MM_ORCH_EXPORT std::filesystem::path compiled_file(const std::filesystem::path& artifact);

/// The stems of the files that export_artifact writes for a model exported as `stem`; the last one
/// is that to open.
MM_ORCH_EXPORT std::vector<std::string> artifact_stems(const std::string& stem,
                                                       graph::ModelKind kind);

struct DeviceInfo {
  std::string id;    // "CPU", "GPU.0"
  std::string name;  // "Intel(R) Xeon(R) ..."
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;         // "pytorch", "openvino"
  virtual std::string sdk_version() const = 0;  // "2.15.0"
  virtual std::vector<DeviceInfo> devices() const = 0;

  /// Lowers the graph and makes it ready to run.
  /// @throws DeviceError          the device is not there; devices are listed.
  /// @throws ModelLoadError       lowering or compilation failed.
  /// @throws ConfigurationError   a property or precision the device lacks.
  virtual std::shared_ptr<LoadedModel> load(const graph::Graph& graph,
                                            const LoadOptions& options) = 0;

  /// True if this backend runs exported artifacts (OpenVINO IR); else the next two throw
  /// BackendError.
  virtual bool uses_artifacts() const = 0;
  /// Writes `<stem>.xml` and `<stem>.bin` in the format of the SDK; of an encoder-decoder model
  /// `<stem>_encoder` and `<stem>_decoder`.
  /// @throws BackendError  naming the path and the system's reason (disk full, not writable).
  virtual void export_artifact(const graph::Graph& graph, const std::filesystem::path& stem,
                               const ExportOptions& options) = 0;
  /// Opens `<path>` (.xml); of an encoder-decoder model the decoder's, with the encoder's beside
  /// it.
  /// @throws FileValidationError  damaged or truncated.
  virtual std::unique_ptr<Artifact> open_artifact(const std::filesystem::path& path) = 0;
};

}  // namespace mm_orch::backend
