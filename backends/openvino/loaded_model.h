// A compiled model that generates text: over a paged cache where it can (on the CPU), else each
// request of a pool holds the state (KV cache) of one session.
#pragma once

#include <memory>
#include <openvino/runtime/compiled_model.hpp>
#include <optional>
#include <string>

#include "backend/backend.h"
#include "compile_cache.h"
#include "request_pool.h"
#include "source_reader.h"

namespace mm_orch::openvino {

struct CompileRequest {
  std::shared_ptr<ov::Model> encoder;  // null: the model has none
  std::shared_ptr<ov::Model> decoder;  // null: the model has none; changed by compiling
  graph::ModelInfo info;
  std::string precision;  // of the weights
  std::string path;       // of the artifact, for messages; empty: none
};

class OpenVinoModel : public backend::LoadedModel {
 public:
  /// Compiles and warms up. @param cache  keeps what was compiled; null: none does.
  static std::shared_ptr<OpenVinoModel> compile(const CompileRequest& request,
                                                const backend::LoadOptions& options,
                                                const CompileCache* cache = nullptr);
  /// Of what was compiled before and has run then.
  static std::shared_ptr<OpenVinoModel> adopt(CompiledForm form, const graph::ModelInfo& info,
                                              const std::string& device, const std::string& path,
                                              const backend::LoadOptions& options);

  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions& options) override;
  backend::PagedRunner* paged() override { return paged_.get(); }
  std::string device() const override { return context_.device; }
  std::string precision() const override { return precision_; }
  uint64_t memory_bytes() const override { return memory_bytes_; }

  const graph::ModelInfo& info() const { return info_; }
  const ErrorContext& context() const { return context_; }
  const ov::CompiledModel& compiled() const { return compiled_; }
  /// Of a model that is not paged.
  RequestPool& requests() { return *requests_; }
  /// Of a model that is not paged. Null: it has no encoder.
  SourceReader* sources() { return sources_ ? &*sources_ : nullptr; }

 private:
  OpenVinoModel(const graph::ModelInfo& info, ErrorContext context);
  void prepare(const CompileRequest& request, CompiledForm& form, const ov::AnyMap& properties,
               uint64_t kv_cache_bytes);
  void take(const CompiledForm& form, uint64_t kv_cache_bytes);
  std::unique_ptr<backend::Session> open_session(const backend::SessionOptions& options,
                                                 std::shared_ptr<const LoadedModel> owner);
  void warm_up();

  graph::ModelInfo info_;
  std::string precision_;
  ErrorContext context_;
  uint64_t memory_bytes_ = 0;
  std::shared_ptr<const MappedFile> file_;  // see CompiledForm
  ov::CompiledModel compiled_;              // the decoder
  std::unique_ptr<backend::PagedRunner> paged_;
  std::optional<RequestPool> requests_;
  std::optional<SourceReader> sources_;
};

uint64_t constant_bytes(const ov::Model& model);

/// Compiles what the request has: an EncoderModel, if there is no decoder, else an OpenVinoModel.
std::shared_ptr<backend::LoadedModel> compile(const CompileRequest& request,
                                              const backend::LoadOptions& options,
                                              const CompileCache* cache = nullptr);

/// A model that generates text, as `cache` kept it; null: it did not. @param path  for messages.
std::shared_ptr<backend::LoadedModel> load_compiled(const CompileCache& cache,
                                                    const graph::ModelInfo& info,
                                                    const std::string& device,
                                                    const std::string& path,
                                                    const backend::LoadOptions& options);

/// @throws UnsupportedModelError  none of `ports` has that name; says how to export for `task`.
template <class Ports>
void require_port(const Ports& ports, const std::string& name, const std::string& task,
                  const ErrorContext& context) {
  for (const auto& port : ports)
    if (port.get_names().count(name)) return;
  throw UnsupportedModelError(
      "The IR has no input or output '" + name +
          "'; export it with 'mm-orch export' or 'optimum-cli export openvino --task " + task + "'",
      context);
}

}  // namespace mm_orch::openvino
