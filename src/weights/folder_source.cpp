#include <fmt/format.h>

#include "base/mapped_file.h"
#include "mm_orch/errors.h"
#include "weights/checked_json.h"
#include "weights/safetensors.h"
#include "weights/stored_model.h"

namespace mm_orch::weights {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kSingleFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";

// transformers writes a token as text or as {"content": text, ...}.
std::optional<std::string> token_text(const json& token) {
  if (token.is_string()) return token.get<std::string>();
  if (token.is_object() && token.contains("content") && token["content"].is_string())
    return token["content"].get<std::string>();
  return std::nullopt;
}

json special_tokens_of(const json& tokenizer_config, const json& map) {
  json result = json::object();
  for (const char* name :
       {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"})
    for (const json* source : {&map, &tokenizer_config})  // the latter wins
      if (source->contains(name))
        if (auto text = token_text((*source)[name])) result[name] = std::move(*text);
  return result;
}

std::optional<std::string> chat_template_of(const fs::path& folder, const json& tokenizer_config) {
  const auto file = folder / "chat_template.jinja";
  if (fs::exists(file) && fs::file_size(file) > 0) {
    const auto mapped = MappedFile::open(file);
    return std::string(reinterpret_cast<const char*>(mapped->bytes().data()),
                       mapped->bytes().size());
  }
  const auto entry = tokenizer_config.find("chat_template");
  if (entry == tokenizer_config.end()) return std::nullopt;
  if (entry->is_string()) return entry->get<std::string>();
  if (!entry->is_array()) return std::nullopt;
  for (const auto& named : *entry)
    if (named.is_object() && named.value("name", json()) == "default" &&
        named.contains("template") && named["template"].is_string())
      return named["template"].get<std::string>();
  return std::nullopt;
}

// Checkpoints of the bare model lack the prefix under which the causal model keeps it.
void add_missing_prefix(std::vector<Tensor>& tensors) {
  std::string prefix;
  for (const auto& tensor : tensors) {
    if (tensor.name == "wte.weight") prefix = "transformer.";
    if (tensor.name == "embed_tokens.weight") prefix = "model.";
  }
  if (prefix.empty()) return;
  for (auto& tensor : tensors)
    if (!tensor.name.starts_with(prefix) && !tensor.name.starts_with("lm_head."))
      tensor.name.insert(0, prefix);
}

[[noreturn]] void fail_without_safetensors(const fs::path& folder) {
  const ErrorContext context{.path = folder.string()};
  if (fs::exists(folder / "pytorch_model.bin") ||
      fs::exists(folder / "pytorch_model.bin.index.json"))
    throw FileValidationError(
        fmt::format("{} has only pytorch_model.bin, a pickle, which is not read because it may run "
                    "code; safetensors is needed. Convert it in Python: "
                    "AutoModelForCausalLM.from_pretrained('{}').save_pretrained('NEW_FOLDER')",
                    folder.string(), folder.string()),
        context);
  throw FileValidationError(
      fmt::format("{} has a config.json but no weights; {}, {} or a .gguf file is needed",
                  folder.string(), kSingleFile, kIndexFile),
      context);
}

void read_weights(StoredModel& model) {
  const auto& folder = model.location;
  std::vector<Tensor> tensors;
  if (fs::exists(folder / kSingleFile))
    tensors = read_safetensors(folder / kSingleFile);
  else if (fs::exists(folder / kIndexFile))
    tensors = read_sharded_safetensors(folder / kIndexFile);
  else
    fail_without_safetensors(folder);
  for (const auto& tensor : tensors) model.file_bytes += tensor.data.size();
  add_missing_prefix(tensors);
  model.set_tensors(std::move(tensors));
}

}  // namespace

bool has_safetensors(const fs::path& folder) {
  return fs::exists(folder / kSingleFile) || fs::exists(folder / kIndexFile);
}

std::unique_ptr<StoredModel> open_folder(const fs::path& path, bool with_weights) {
  if (!fs::exists(path / "config.json"))
    throw FileValidationError(
        fmt::format("{} has no config.json, which says what model it is", path.string()),
        {.path = path.string()});
  auto model = std::make_unique<StoredModel>();
  model->location = path;
  model->config_json = read_json_object(path / "config.json");
  model->generation_json = read_optional_json_object(path / "generation_config.json");
  const auto tokenizer_config = read_optional_json_object(path / "tokenizer_config.json");
  model->special = special_tokens_of(tokenizer_config,
                                     read_optional_json_object(path / "special_tokens_map.json"));
  model->chat = chat_template_of(path, tokenizer_config);
  model->tokenizer.directory = path;
  if (with_weights) read_weights(*model);
  return model;
}

}  // namespace mm_orch::weights
