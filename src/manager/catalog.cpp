#include "mm_orch/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "backend/ir_metadata.h"
#include "backend/sdk_version.h"
#include "config/config.h"
#include "exporter/exporter.h"
#include "exporter/fidelity_report.h"
#include "exporter/tuning_report.h"
#include "manager/artifact_path.h"
#include "mm_orch/log.h"
#include "models/registry.h"
#include "weights/model_locator.h"
#include "weights/model_source.h"

namespace mm_orch {
namespace {

namespace fs = std::filesystem;

// Hidden ones are left out: an export in the making is one.
std::vector<fs::path> children(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (!entry->path().filename().string().starts_with('.')) paths.push_back(entry->path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

uint64_t size_of(const fs::path& file) {
  std::error_code error;
  const auto bytes = fs::file_size(file, error);
  return error ? 0 : bytes;
}

// The files of one format in a folder; for a path to a file that file, if it is of the format.
std::vector<fs::path> files_of(const fs::path& path, const char* extension) {
  std::vector<fs::path> files;
  for (const auto& file : fs::is_directory(path) ? children(path) : std::vector{path})
    if (file.extension() == extension && fs::is_regular_file(file)) files.push_back(file);
  return files;
}

std::optional<FoundModel> as_model(const fs::path& path, std::string name, const char* place) {
  FoundModel model{
      .name = std::move(name), .path = path.string(), .place = place, .format = "safetensors"};
  auto weights = files_of(path, ".safetensors");
  if (weights.empty() || !fs::exists(path / "config.json")) {
    model.format = "gguf";
    weights = files_of(path, ".gguf");
  }
  if (weights.empty()) return std::nullopt;
  for (const auto& file : weights) model.bytes += size_of(file);
  return model;
}

void add_local_models(std::vector<FoundModel>& models) {
  for (const auto& path : children("models")) {
    if (auto model = as_model(path, path.filename().string(), "models")) {
      models.push_back(std::move(*model));
      continue;
    }
    if (!fs::is_directory(path)) continue;
    for (const auto& inner : children(path)) {
      const auto name = path.filename().string() + "/" + inner.filename().string();
      if (auto model = as_model(inner, name, "models")) models.push_back(std::move(*model));
    }
  }
}

// A name that models/ holds too means that one.
void add_cached_models(std::vector<FoundModel>& models) {
  static const std::string kPrefix = "models--";
  const fs::path cache = weights::hub_cache();
  for (const auto& folder : children(cache)) {
    std::string name = folder.filename().string();
    if (!name.starts_with(kPrefix)) continue;
    name.erase(0, kPrefix.size());
    if (const size_t dashes = name.find("--"); dashes != std::string::npos)
      name = fmt::format("{}/{}", name.substr(0, dashes), name.substr(dashes + 2));
    const auto snapshot = weights::find_local_model(name);
    if (!snapshot || snapshot->parent_path().parent_path() != folder) continue;
    if (auto model = as_model(*snapshot, name, "hub cache")) models.push_back(std::move(*model));
  }
}

bool is_exported_model(const fs::path& file) {
  const auto names = manager::artifact_names(file.parent_path().filename().string());
  return std::ranges::find(names, file.filename().string()) != names.end();
}

std::optional<FidelityReport> fidelity_of(const fs::path& file,
                                          const std::map<std::string, std::string>& metadata) {
  try {
    return exporter::read_fidelity(file, metadata);
  } catch (const FileValidationError& error) {
    log(LogLevel::kWarning, error.what());
    return std::nullopt;
  }
}

ExportedModel as_export(const fs::path& file, const fs::path& root) {
  auto metadata = backend::read_ir_metadata(file);
  auto bin = file;
  auto tuning = exporter::read_tuning(file);
  auto stale_by = tuning
                      ? exporter::stale_part(*tuning, file, backend::built_sdk_version("openvino"))
                      : std::string();
  return {.name = file.parent_path().lexically_relative(root).generic_string(),
          .xml_path = file.string(),
          .precision = metadata["precision"],
          .fingerprint = metadata[exporter::kFingerprintKey],
          .bytes = size_of(bin.replace_extension(".bin")),
          .fidelity = fidelity_of(file, metadata),
          .tuning = std::move(tuning),
          .tuning_stale_by = std::move(stale_by)};
}

void add_exports(const fs::path& folder, const fs::path& root,
                 std::vector<ExportedModel>& exports) {
  for (const auto& path : children(folder)) {
    if (is_exported_model(path)) exports.push_back(as_export(path, root));
    if (fs::is_directory(path) && !fs::is_symlink(path)) add_exports(path, root, exports);
  }
}

std::string tokenizer_name(const weights::TokenizerFiles& files) {
  if (files.gguf) return "gguf (" + files.gguf->value("tokenizer.ggml.model", "?") + ")";
  if (fs::exists(files.directory / "tokenizer.json")) return "tokenizer.json";
  if (fs::exists(files.directory / "vocab.json")) return "vocab.json + merges.txt";
  for (const char* name : {"spiece.model", "tokenizer.model", "vocab.txt"})
    if (fs::exists(files.directory / name)) return name;
  return {};
}

void add_tensors(const weights::ModelSource& source, ModelDescription& description) {
  for (const auto& name : source.tensor_names()) {
    const auto* tensor = source.find(name);
    ++description.weight_types[std::string(dtype_info(tensor->dtype).name)];
    description.parameters += tensor->rows() * tensor->row_elements();
  }
}

}  // namespace

std::vector<FoundModel> find_models() {
  std::vector<FoundModel> models;
  add_local_models(models);
  add_cached_models(models);
  return models;
}

std::vector<ExportedModel> find_exports(const std::optional<std::string>& config_path) {
  const auto config = config_path ? config::load_config_file(*config_path) : config::Config{};
  const fs::path root = config.openvino.cache_dir;
  std::vector<ExportedModel> exports;
  add_exports(root, root, exports);
  return exports;
}

ModelDescription describe_model(const std::string& model,
                                const std::optional<std::string>& config_path) {
  const auto path = weights::locate_model(model);
  const auto source = weights::open_model(path);
  const auto info = models::model_info(source->config());
  ModelDescription description{.name = model,
                               .path = path.string(),
                               .architecture = info.architecture,
                               .layers = info.layers,
                               .hidden_size = info.hidden_size,
                               .heads = info.heads,
                               .kv_heads = info.kv_heads,
                               .vocabulary_size = info.vocabulary_size,
                               .context_length = info.context_length,
                               .tokenizer = tokenizer_name(source->tokenizer_files()),
                               .has_chat_template = source->chat_template().has_value(),
                               .fingerprint = source->fingerprint()};
  description.format = source->tokenizer_files().gguf ? "gguf" : "safetensors";
  add_tensors(*source, description);
  for (const auto& file : fs::is_directory(path) ? children(path) : std::vector{path})
    if (fs::is_regular_file(file)) description.files.push_back({file.string(), size_of(file)});
  const auto name = weights::export_name(model);
  for (auto& exported : find_exports(config_path))
    if (exported.name == name) description.exports.push_back(std::move(exported));
  return description;
}

}  // namespace mm_orch
