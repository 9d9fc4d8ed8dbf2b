#include <fmt/format.h>

#include <algorithm>

#include "mm_orch/errors.h"
#include "weights/checked_json.h"
#include "weights/gguf_translation.h"

namespace mm_orch::weights {
namespace {

using nlohmann::json;

// Hyper-parameters of one file, keys given without "<architecture>.".
class Parameters {
 public:
  Parameters(const GgufFile& file, const std::filesystem::path& path)
      : file_(file), path_(path), architecture_(gguf_architecture(file, path)) {}

  const std::string& architecture() const { return architecture_; }

  [[noreturn]] void fail(const std::string& what) const {
    throw FileValidationError(fmt::format("{}: {}", path_.string(), what),
                              {.path = path_.string()});
  }

  const json* find(std::string_view key) const {
    const auto entry = file_.metadata.find(fmt::format("{}.{}", architecture_, key));
    return entry == file_.metadata.end() ? nullptr : &*entry;
  }

  /// A whole number in [0, 2^31), also given as an array of equal ones, one a layer.
  std::optional<int64_t> integer(std::string_view key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (value->is_array() && !value->empty()) {
      for (const auto& other : *value)
        if (other != value->front())
          throw UnsupportedModelError(
              fmt::format("{}: {}.{} differs from layer to layer, which no architecture here has",
                          path_.string(), architecture_, key),
              {.path = path_.string()});
      value = &value->front();
    }
    if (!value->is_number_integer() || *value < 0 || *value > INT32_MAX)
      fail(fmt::format("metadata key {}.{} is no whole number in [0, 2^31)", architecture_, key));
    return value->get<int64_t>();
  }

  int64_t required_integer(std::string_view key) const {
    const auto value = integer(key);
    if (!value || *value == 0)
      fail(fmt::format("metadata key {}.{} is missing or 0", architecture_, key));
    return *value;
  }

  std::optional<double> number(std::string_view key) const {
    const json* value = find(key);
    if (value == nullptr) return std::nullopt;
    if (!value->is_number())
      fail(fmt::format("metadata key {}.{} is no number", architecture_, key));
    return value->get<double>();
  }

  const Tensor* tensor(std::string_view name) const {
    for (const auto& candidate : file_.tensors)
      if (candidate.name == name) return &candidate;
    return nullptr;
  }

  int64_t vocabulary_size() const {
    if (const auto size = integer("vocab_size")) return *size;
    const Tensor* embedding = tensor("token_embd.weight");
    return embedding == nullptr ? 0 : embedding->rows();
  }

  void copy_token_ids(json& config) const {
    for (const char* token : {"bos", "eos"}) {
      const auto id = file_.metadata.find(fmt::format("tokenizer.ggml.{}_token_id", token));
      if (id != file_.metadata.end() && id->is_number_unsigned())
        config[fmt::format("{}_token_id", token)] = *id;
    }
  }

 private:
  const GgufFile& file_;
  const std::filesystem::path& path_;
  std::string architecture_;
};

// transformers' "rope_scaling". llama3's factors come as the tensor rope_freqs.weight instead.
json rope_scaling(const Parameters& parameters) {
  const json* type = parameters.find("rope.scaling.type");
  if (type == nullptr) {
    // Written by converters from before rope.scaling.type.
    const auto factor = parameters.number("rope.scale_linear");
    return factor ? json{{"rope_type", "linear"}, {"factor", *factor}} : json();
  }
  if (!type->is_string()) parameters.fail("rope.scaling.type is no string");
  if (*type == "none") return json();
  json scaling = {{"rope_type", *type}};
  if (const auto factor = parameters.number("rope.scaling.factor")) scaling["factor"] = *factor;
  if (const auto factor = parameters.number("rope.scaling.attn_factor"))
    scaling["attention_factor"] = *factor;
  if (const auto length = parameters.integer("rope.scaling.original_context_length"))
    scaling["original_max_position_embeddings"] = *length;
  if (const auto value = parameters.number("rope.scaling.yarn_beta_fast"))
    scaling["beta_fast"] = *value;
  if (const auto value = parameters.number("rope.scaling.yarn_beta_slow"))
    scaling["beta_slow"] = *value;
  return scaling;
}

void add_gpt2(const Parameters& parameters, json& config) {
  const int64_t context = parameters.required_integer("context_length");
  const int64_t hidden = parameters.required_integer("embedding_length");
  config["n_layer"] = parameters.required_integer("block_count");
  config["n_positions"] = context;
  config["n_ctx"] = context;
  config["n_embd"] = hidden;
  config["n_head"] = parameters.required_integer("attention.head_count");
  config["n_inner"] = parameters.integer("feed_forward_length").value_or(4 * hidden);
  config["layer_norm_epsilon"] = parameters.number("attention.layer_norm_epsilon").value_or(1e-5);
  config["activation_function"] = "gelu_new";
  config["conv1d_transposed"] = false;
}

void add_llama(const Parameters& parameters, json& config) {
  const int64_t hidden = parameters.required_integer("embedding_length");
  const int64_t heads = parameters.required_integer("attention.head_count");
  const int64_t rope_size = parameters.integer("rope.dimension_count").value_or(hidden / heads);
  const int64_t head_size = parameters.integer("attention.key_length").value_or(hidden / heads);
  config["num_hidden_layers"] = parameters.required_integer("block_count");
  config["max_position_embeddings"] = parameters.required_integer("context_length");
  config["hidden_size"] = hidden;
  config["intermediate_size"] = parameters.required_integer("feed_forward_length");
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = parameters.integer("attention.head_count_kv").value_or(heads);
  config["head_dim"] = head_size;
  if (head_size > 0 && rope_size != head_size)
    config["partial_rotary_factor"] =
        static_cast<double>(rope_size) / static_cast<double>(head_size);
  config["rms_norm_eps"] = parameters.number("attention.layer_norm_rms_epsilon").value_or(1e-5);
  config["rope_theta"] = parameters.number("rope.freq_base").value_or(10000.0);
  if (auto scaling = rope_scaling(parameters); !scaling.is_null())
    config["rope_scaling"] = std::move(scaling);
  if (const auto window = parameters.integer("attention.sliding_window"))
    config["sliding_window"] = *window;
  config["hidden_act"] = "silu";
  config["attention_bias"] = parameters.tensor("blk.0.attn_q.bias") != nullptr;
  config["mlp_bias"] = parameters.tensor("blk.0.ffn_up.bias") != nullptr;
}

}  // namespace

std::string gguf_architecture(const GgufFile& file, const std::filesystem::path& path) {
  const auto entry = file.metadata.find("general.architecture");
  if (entry == file.metadata.end() || !entry->is_string())
    throw FileValidationError(
        fmt::format("{}: metadata key general.architecture is missing or no string", path.string()),
        {.path = path.string()});
  return entry->get<std::string>();
}

json config_from_gguf(const GgufFile& file, const std::filesystem::path& path) {
  const Parameters parameters(file, path);
  const auto& architecture = parameters.architecture();
  json config = {{"model_type", architecture}};
  // Others keep their name alone, for the registry of architectures to refuse.
  const bool experts = parameters.integer("expert_count").value_or(0) > 0;
  if (architecture == "llama" && experts) config["model_type"] = "mixtral";
  const bool gpt2 = architecture == "gpt2";
  if (!gpt2 && ((architecture != "llama" && architecture != "qwen2") || experts)) return config;
  gpt2 ? add_gpt2(parameters, config) : add_llama(parameters, config);
  config["vocab_size"] = parameters.vocabulary_size();
  config["tie_word_embeddings"] = parameters.tensor("output.weight") == nullptr;
  parameters.copy_token_ids(config);
  return config;
}

}  // namespace mm_orch::weights
