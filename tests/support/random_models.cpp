#include "support/random_models.h"

#include "support/random_graph.h"

namespace mm_orch::testing {

MemorySource random_llama(const nlohmann::json& overrides) {
  nlohmann::json config = {
      {"model_type", "llama"},   {"num_hidden_layers", 2},        {"hidden_size", 32},
      {"intermediate_size", 48}, {"num_attention_heads", 4},      {"num_key_value_heads", 2},
      {"vocab_size", 60},        {"max_position_embeddings", 64}, {"tie_word_embeddings", true}};
  config.update(overrides);
  MemorySource source(config);
  RandomTensors random(11);
  const auto size = [&](const char* key) { return config.at(key).get<int64_t>(); };
  const int64_t hidden = size("hidden_size"), inner = size("intermediate_size");
  const int64_t head = config.value("head_dim", hidden / size("num_attention_heads"));
  const int64_t q = size("num_attention_heads") * head;
  const int64_t kv = size("num_key_value_heads") * head;
  const bool qwen2 = config.at("model_type") == "qwen2";
  const bool attention_bias = config.value("attention_bias", false);
  const auto linear = [&](const std::string& name, int64_t out, int64_t in, bool bias) {
    source.add(random.matrix(name + ".weight", out, in));
    if (bias) source.add(random.make(name + ".bias", {out}, 0.2f));
  };
  source.add(random.make("model.embed_tokens.weight", {size("vocab_size"), hidden}));
  for (int64_t layer = 0; layer < size("num_hidden_layers"); ++layer) {
    const std::string prefix = "model.layers." + std::to_string(layer);
    source.add(random.scale(prefix + ".input_layernorm.weight", hidden));
    source.add(random.scale(prefix + ".post_attention_layernorm.weight", hidden));
    linear(prefix + ".self_attn.q_proj", q, hidden, qwen2 || attention_bias);
    linear(prefix + ".self_attn.k_proj", kv, hidden, qwen2 || attention_bias);
    linear(prefix + ".self_attn.v_proj", kv, hidden, qwen2 || attention_bias);
    linear(prefix + ".self_attn.o_proj", hidden, q, attention_bias);
    linear(prefix + ".mlp.gate_proj", inner, hidden, config.value("mlp_bias", false));
    linear(prefix + ".mlp.up_proj", inner, hidden, config.value("mlp_bias", false));
    linear(prefix + ".mlp.down_proj", hidden, inner, config.value("mlp_bias", false));
  }
  source.add(random.scale("model.norm.weight", hidden));
  if (!config.at("tie_word_embeddings").get<bool>())
    source.add(random.matrix("lm_head.weight", size("vocab_size"), hidden));
  return source;
}

MemorySource random_gpt2(const nlohmann::json& overrides) {
  nlohmann::json config = {{"model_type", "gpt2"}, {"n_layer", 2},     {"n_embd", 32},
                           {"n_head", 4},          {"vocab_size", 60}, {"n_positions", 64}};
  config.update(overrides);
  MemorySource source(config);
  RandomTensors random(13);
  const auto size = [&](const char* key) { return config.at(key).get<int64_t>(); };
  const int64_t hidden = size("n_embd");
  const auto conv1d = [&](const std::string& name, int64_t in, int64_t out) {
    source.add(random.make(name + ".weight", {in, out}, 0.15f));
    source.add(random.make(name + ".bias", {out}, 0.2f));
  };
  const auto norm = [&](const std::string& name) {
    source.add(random.scale(name + ".weight", hidden));
    source.add(random.make(name + ".bias", {hidden}, 0.2f));
  };
  source.add(random.make("transformer.wte.weight", {size("vocab_size"), hidden}));
  source.add(random.make("transformer.wpe.weight", {size("n_positions"), hidden}));
  for (int64_t layer = 0; layer < size("n_layer"); ++layer) {
    const std::string prefix = "transformer.h." + std::to_string(layer);
    norm(prefix + ".ln_1");
    norm(prefix + ".ln_2");
    conv1d(prefix + ".attn.c_attn", hidden, 3 * hidden);
    conv1d(prefix + ".attn.c_proj", hidden, hidden);
    conv1d(prefix + ".mlp.c_fc", hidden, 4 * hidden);
    conv1d(prefix + ".mlp.c_proj", 4 * hidden, hidden);
  }
  norm("transformer.ln_f");
  return source;
}

MemorySource random_bert(const nlohmann::json& overrides) {
  nlohmann::json config = {{"model_type", "bert"},    {"num_hidden_layers", 2},
                           {"hidden_size", 32},       {"num_attention_heads", 4},
                           {"intermediate_size", 48}, {"vocab_size", 60},
                           {"type_vocab_size", 2},    {"max_position_embeddings", 64}};
  config.update(overrides);
  MemorySource source(config);
  RandomTensors random(14);
  const auto size = [&](const char* key) { return config.at(key).get<int64_t>(); };
  const int64_t hidden = size("hidden_size");
  const auto linear = [&](const std::string& name, int64_t in, int64_t out) {
    source.add(random.matrix(name + ".weight", out, in));
    source.add(random.make(name + ".bias", {out}, 0.2f));
  };
  const auto norm = [&](const std::string& name) {
    source.add(random.scale(name + ".weight", hidden));
    source.add(random.make(name + ".bias", {hidden}, 0.2f));
  };
  const auto table = [&](const std::string& name, int64_t rows) {
    source.add(random.make("embeddings." + name + "_embeddings.weight", {rows, hidden}));
  };
  table("word", size("vocab_size"));
  table("position", size("max_position_embeddings"));
  table("token_type", size("type_vocab_size"));
  norm("embeddings.LayerNorm");
  for (int64_t layer = 0; layer < size("num_hidden_layers"); ++layer) {
    const std::string prefix = "encoder.layer." + std::to_string(layer);
    for (const char* part : {"query", "key", "value"})
      linear(prefix + ".attention.self." + part, hidden, hidden);
    linear(prefix + ".attention.output.dense", hidden, hidden);
    norm(prefix + ".attention.output.LayerNorm");
    linear(prefix + ".intermediate.dense", hidden, size("intermediate_size"));
    linear(prefix + ".output.dense", size("intermediate_size"), hidden);
    norm(prefix + ".output.LayerNorm");
  }
  return source;
}

}  // namespace mm_orch::testing
