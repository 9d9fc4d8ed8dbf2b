#include <fmt/format.h>

#include <algorithm>

#include "base/mapped_file.h"
#include "mm_orch/errors.h"
#include "weights/checked_json.h"
#include "weights/gguf_translation.h"
#include "weights/stored_model.h"

namespace mm_orch::weights {
namespace {

using nlohmann::json;

std::optional<uint64_t> token_id(const json& metadata, std::string_view token) {
  const auto entry = metadata.find(fmt::format("tokenizer.ggml.{}_token_id", token));
  if (entry == metadata.end() || !entry->is_number_unsigned()) return std::nullopt;
  return entry->get<uint64_t>();
}

json special_tokens_of(const json& metadata) {
  json result = json::object();
  const auto tokens = metadata.find("tokenizer.ggml.tokens");
  if (tokens == metadata.end() || !tokens->is_array()) return result;
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"bos", "bos_token"},     {"eos", "eos_token"},       {"unknown", "unk_token"},
      {"padding", "pad_token"}, {"seperator", "sep_token"},  // spelt so in the format
      {"cls", "cls_token"},     {"mask", "mask_token"},
  };
  for (const auto& [gguf, name] : kNames) {
    const auto id = token_id(metadata, gguf);
    if (id && *id < tokens->size() && (*tokens)[*id].is_string()) result[name] = (*tokens)[*id];
  }
  return result;
}

// End of turn and end of message end a generation as end of text does.
json generation_config_of(const json& metadata) {
  json result = json::object();
  if (const auto bos = token_id(metadata, "bos")) result["bos_token_id"] = *bos;
  if (const auto pad = token_id(metadata, "padding")) result["pad_token_id"] = *pad;
  json ends = json::array();
  for (const char* token : {"eos", "eot", "eom"}) {
    const auto id = token_id(metadata, token);
    if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) ends.push_back(*id);
  }
  if (ends.size() == 1) result["eos_token_id"] = ends.front();
  if (ends.size() > 1) result["eos_token_id"] = std::move(ends);
  return result;
}

void translate_tensor(Tensor& tensor, const std::string& architecture, int64_t head_size,
                      const std::filesystem::path& path) {
  const int64_t interleaved = interleaved_head_size(architecture, tensor.name, head_size);
  if (interleaved != 0 && (interleaved % 2 != 0 || tensor.rows() % interleaved != 0))
    throw FileValidationError(
        fmt::format("{}: tensor {} has {} rows, which is no multiple of the even head size {}",
                    path.string(), shown(tensor.name), tensor.rows(), interleaved),
        {.path = path.string()});
  tensor.interleaved_head_size = interleaved;
  tensor.name = transformers_name(architecture, tensor.name);
}

}  // namespace

std::unique_ptr<StoredModel> model_from_gguf(GgufFile file, const std::filesystem::path& path) {
  const auto architecture = gguf_architecture(file, path);
  auto model = std::make_unique<StoredModel>();
  model->location = path;
  model->config_json = config_from_gguf(file, path);
  const int64_t head_size = model->config_json.value("head_dim", int64_t{0});
  for (auto& tensor : file.tensors) translate_tensor(tensor, architecture, head_size, path);
  model->set_tensors(std::move(file.tensors));

  model->special = special_tokens_of(file.metadata);
  model->generation_json = generation_config_of(file.metadata);
  const auto chat = file.metadata.find("tokenizer.chat_template");
  if (chat != file.metadata.end() && chat->is_string()) model->chat = chat->get<std::string>();

  auto tokenizer = json::object();
  for (auto& [key, value] : file.metadata.items())
    if (key.starts_with("tokenizer.ggml.")) tokenizer[key] = std::move(value);
  model->tokenizer.gguf = std::make_shared<const json>(std::move(tokenizer));
  return model;
}

std::unique_ptr<StoredModel> open_gguf(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  auto model = model_from_gguf(read_gguf(file->bytes(), file, path), path);
  model->file_bytes = file->bytes().size();
  return model;
}

}  // namespace mm_orch::weights
