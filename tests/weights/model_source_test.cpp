#include "weights/model_source.h"

#include <gtest/gtest.h>

#include "expect_error.h"
#include "file_builders.h"
#include "mm_orch/errors.h"
#include "support/temporary_folder.h"

namespace mm_orch::weights {
namespace {

using nlohmann::json;
using testing::GgufBuilder;
using testing::raw;

// A safetensors file of one-byte tensors.
std::string weights_file(const std::vector<std::string>& names) {
  json header = json::object();
  for (size_t i = 0; i < names.size(); ++i)
    header[names[i]] = {{"dtype", "U8"}, {"shape", {1}}, {"data_offsets", {i, i + 1}}};
  return testing::safetensors_bytes(header.dump(), std::string(names.size(), '\1'));
}

GgufBuilder llama_gguf() {
  GgufBuilder builder;
  builder.string("general.architecture", "llama");
  builder.number("llama.block_count", 2).number("llama.context_length", 128);
  builder.number("llama.embedding_length", 8).number("llama.feed_forward_length", 16);
  builder.number("llama.attention.head_count", 2).number("llama.attention.head_count_kv", 1);
  builder.real("llama.attention.layer_norm_rms_epsilon", 0.5f);
  builder.real("llama.rope.freq_base", 500000.0f);
  builder.strings("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<|eot|>"});
  builder.number("tokenizer.ggml.bos_token_id", 1).number("tokenizer.ggml.eos_token_id", 2);
  builder.string("tokenizer.chat_template", "{{ messages }}");
  builder.floats("token_embd.weight", {8, 4}).floats("output_norm.weight", {8});
  builder.floats("blk.1.attn_q.weight", {8, 8}).floats("blk.1.attn_k.weight", {8, 4});
  builder.floats("blk.1.ffn_down.weight", {16, 8});
  return builder;
}

class ModelSourceTest : public ::testing::Test {
 protected:
  std::unique_ptr<ModelSource> open(const GgufBuilder& builder) {
    return open_model(folder_.write("model.gguf", builder.bytes()));
  }
  std::unique_ptr<ModelSource> open_tensors(const std::vector<std::string>& names) {
    folder_.write("config.json", R"({"model_type":"x"})");
    folder_.write("model.safetensors", weights_file(names));
    return open_model(folder_.path());
  }
  testing::TemporaryFolder folder_;
};

TEST_F(ModelSourceTest, TranslatesLlamaMetadata) {
  const auto config = open(llama_gguf())->config();
  const json expected = {
      {"model_type", "llama"},    {"num_hidden_layers", 2},  {"max_position_embeddings", 128},
      {"hidden_size", 8},         {"intermediate_size", 16}, {"num_attention_heads", 2},
      {"num_key_value_heads", 1}, {"head_dim", 4},           {"rms_norm_eps", 0.5},
      {"rope_theta", 500000.0},   {"hidden_act", "silu"},    {"attention_bias", false},
      {"mlp_bias", false},        {"vocab_size", 4},         {"tie_word_embeddings", true},
      {"bos_token_id", 1},        {"eos_token_id", 2}};
  EXPECT_EQ(config, expected);
}

TEST_F(ModelSourceTest, TranslatesOptionalMetadata) {
  GgufBuilder builder;
  builder.string("general.architecture", "qwen2");
  builder.number("qwen2.block_count", 1).number("qwen2.context_length", 8);
  builder.number("qwen2.embedding_length", 8).number("qwen2.feed_forward_length", 16);
  builder.number("qwen2.attention.head_count", 2).number("qwen2.vocab_size", 7);
  builder.number("qwen2.attention.key_length", 6).number("qwen2.rope.dimension_count", 3);
  builder.number("qwen2.attention.sliding_window", 32);
  builder.string("qwen2.rope.scaling.type", "linear").real("qwen2.rope.scaling.factor", 4.0f);
  builder.floats("output.weight", {8, 4}).floats("blk.0.attn_q.bias", {12});
  const auto model = open(builder);
  const auto& config = model->config();
  EXPECT_EQ(config["model_type"], "qwen2");
  EXPECT_EQ(config["vocab_size"], 7);
  EXPECT_EQ(config["head_dim"], 6);
  EXPECT_EQ(config["partial_rotary_factor"], 0.5);
  EXPECT_EQ(config["num_key_value_heads"], 2);
  EXPECT_EQ(config["sliding_window"], 32);
  EXPECT_EQ(config["rope_scaling"], (json{{"rope_type", "linear"}, {"factor", 4.0}}));
  EXPECT_EQ(config["tie_word_embeddings"], false);
  EXPECT_EQ(config["attention_bias"], true);
  EXPECT_EQ(model->find("model.layers.0.self_attn.q_proj.bias")->interleaved_head_size, 0);
}

TEST_F(ModelSourceTest, RefusesAHeadSizeThatDoesNotFit) {
  EXPECT_ERROR(FileValidationError, open(llama_gguf().number("llama.attention.key_length", 6)),
               "blk.1.attn_q.weight");
  EXPECT_ERROR(FileValidationError, open(llama_gguf().number("llama.attention.key_length", 1)),
               "head size 1");
}

TEST_F(ModelSourceTest, TranslatesGpt2Metadata) {
  GgufBuilder builder;
  builder.string("general.architecture", "gpt2");
  builder.number("gpt2.block_count", 3).number("gpt2.context_length", 16);
  builder.number("gpt2.embedding_length", 8).number("gpt2.attention.head_count", 2);
  builder.number("gpt2.feed_forward_length", 32);
  builder.real("gpt2.attention.layer_norm_epsilon", 0.25f);
  builder.floats("token_embd.weight", {8, 5}).floats("position_embd.weight", {8, 16});
  builder.floats("blk.2.attn_qkv.weight", {8, 24}).floats("blk.2.ffn_up.bias", {32});
  const auto model = open(builder);
  const json expected = {{"model_type", "gpt2"},
                         {"n_layer", 3},
                         {"n_positions", 16},
                         {"n_ctx", 16},
                         {"n_embd", 8},
                         {"n_head", 2},
                         {"n_inner", 32},
                         {"layer_norm_epsilon", 0.25},
                         {"vocab_size", 5},
                         {"activation_function", "gelu_new"},
                         {"conv1d_transposed", false},
                         {"tie_word_embeddings", true}};
  EXPECT_EQ(model->config(), expected);
  EXPECT_EQ(model->tensor_names(),
            (std::vector<std::string>{"transformer.h.2.attn.c_attn.weight",
                                      "transformer.h.2.mlp.c_fc.bias", "transformer.wpe.weight",
                                      "transformer.wte.weight"}));
}

TEST_F(ModelSourceTest, KeepsTheNameOfAnUnknownArchitecture) {
  EXPECT_EQ(open(GgufBuilder().string("general.architecture", "mamba"))->config(),
            (json{{"model_type", "mamba"}}));
  EXPECT_EQ(open(llama_gguf().number("llama.expert_count", 8))->config()["model_type"], "mixtral");
}

TEST_F(ModelSourceTest, FindsGgufTensorsUnderTransformersNames) {
  auto builder = llama_gguf();
  builder.floats("rope_freqs.weight", {2}).floats("blk.x", {1}).floats("blk.1.other.weight", {1});
  const auto model = open(builder);
  const auto* query = model->find("model.layers.1.self_attn.q_proj.weight");
  ASSERT_NE(query, nullptr);
  EXPECT_EQ(query->interleaved_head_size, 4);
  EXPECT_EQ(model->find("model.layers.1.self_attn.k_proj.weight")->interleaved_head_size, 4);
  EXPECT_EQ(model->find("model.layers.1.mlp.down_proj.weight")->interleaved_head_size, 0);
  for (const char* name : {"rope_freqs.weight", "blk.x", "blk.1.other.weight", "model.norm.weight"})
    EXPECT_NE(model->find(name), nullptr) << name;
  EXPECT_EQ(model->find("lm_head.weight"), nullptr);
}

TEST_F(ModelSourceTest, ReadsTokensAndTemplateOfGguf) {
  auto builder = llama_gguf();
  builder.number("tokenizer.ggml.unknown_token_id", 0)
      .number("tokenizer.ggml.padding_token_id", 99);
  builder.number("tokenizer.ggml.eot_token_id", 3);
  const auto model = open(builder);
  EXPECT_EQ(model->special_tokens(),
            (json{{"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}}));
  EXPECT_EQ(model->generation_config(),
            (json{{"bos_token_id", 1}, {"eos_token_id", {2, 3}}, {"pad_token_id", 99}}));
  EXPECT_EQ(model->chat_template(), "{{ messages }}");
  ASSERT_NE(model->tokenizer_files().gguf, nullptr);
  EXPECT_EQ(model->tokenizer_files().gguf->at("tokenizer.ggml.tokens").size(), 4u);
}

TEST_F(ModelSourceTest, RefusesContradictoryGgufMetadata) {
  EXPECT_ERROR(FileValidationError, open(GgufBuilder()), "general.architecture");
  EXPECT_ERROR(FileValidationError, open(GgufBuilder().string("general.architecture", "llama")),
               "llama.embedding_length");
  GgufBuilder wrong_type;
  wrong_type.string("general.architecture", "gpt2").string("gpt2.context_length", "many");
  EXPECT_ERROR(FileValidationError, open(wrong_type), "gpt2.context_length");
  auto layers = llama_gguf();
  layers.key_value("llama.attention.sliding_window", 9,
                   raw<uint32_t>(4) + raw<uint64_t>(2) + raw<uint32_t>(1) + raw<uint32_t>(2));
  EXPECT_ERROR(UnsupportedModelError, open(layers), "differs from layer to layer");
}

TEST_F(ModelSourceTest, RefusesTwoTensorsOfOneTranslatedName) {
  auto builder = llama_gguf();
  EXPECT_ERROR(FileValidationError, open(builder.floats("model.norm.weight", {8})),
               "two tensors are named 'model.norm.weight'");
}

TEST_F(ModelSourceTest, AddsThePrefixThatABareModelLacks) {
  EXPECT_EQ(open_tensors({"wte.weight", "h.0.ln_1.bias", "lm_head.weight"})->tensor_names(),
            (std::vector<std::string>{"lm_head.weight", "transformer.h.0.ln_1.bias",
                                      "transformer.wte.weight"}));
  EXPECT_EQ(open_tensors({"embed_tokens.weight", "norm.weight"})->tensor_names(),
            (std::vector<std::string>{"model.embed_tokens.weight", "model.norm.weight"}));
  EXPECT_EQ(open_tensors({"model.norm.weight", "model.embed_tokens.weight"})->tensor_names(),
            (std::vector<std::string>{"model.embed_tokens.weight", "model.norm.weight"}));
}

TEST_F(ModelSourceTest, ReadsTokensAndTemplateOfAFolder) {
  folder_.write("special_tokens_map.json", R"({"bos_token":"old","unk_token":{"content":"?"}})");
  folder_.write("tokenizer_config.json",
                R"({"bos_token":{"content":"<s>","lstrip":false},"eos_token":null,)"
                R"("chat_template":[{"name":"tool_use","template":"no"},)"
                R"({"name":"default","template":"yes"}]})");
  folder_.write("generation_config.json", R"({"eos_token_id":[1,2]})");
  auto model = open_tensors({"t"});
  EXPECT_EQ(model->special_tokens(), (json{{"bos_token", "<s>"}, {"unk_token", "?"}}));
  EXPECT_EQ(model->chat_template(), "yes");
  EXPECT_EQ(model->generation_config(), (json{{"eos_token_id", {1, 2}}}));
  EXPECT_EQ(model->tokenizer_files().directory, folder_.path());
  folder_.write("chat_template.jinja", "first");
  EXPECT_EQ(open_tensors({"t"})->chat_template(), "first");
}

TEST_F(ModelSourceTest, SaysWhatAFolderLacks) {
  EXPECT_ERROR(ModelNotFoundError, open_model(folder_.path()), "holds no model");
  EXPECT_ERROR(ModelNotFoundError, open_model(folder_.path() / "no"), "There is no");
  folder_.write("model.safetensors", weights_file({"t"}));
  EXPECT_ERROR(FileValidationError, open_model(folder_.path()), "no config.json");
  EXPECT_ERROR(FileValidationError, open_model(folder_.path() / "model.safetensors"),
               "neither a folder nor a .gguf file");
}

TEST_F(ModelSourceTest, ExplainsHowToConvertAPickle) {
  folder_.write("config.json", "{}");
  EXPECT_ERROR(FileValidationError, open_model(folder_.path()), "no weights");
  folder_.write("pytorch_model.bin", "x");
  EXPECT_ERROR(FileValidationError, open_model(folder_.path()), "save_pretrained");
}

TEST_F(ModelSourceTest, RefusesBrokenJsonFiles) {
  folder_.write("config.json", "[1]");
  folder_.write("model.safetensors", weights_file({"t"}));
  EXPECT_ERROR(FileValidationError, open_model(folder_.path()), "an object was expected");
  folder_.write("config.json", "{\"a\":");
  EXPECT_ERROR(FileValidationError, open_model(folder_.path()), "config.json: no valid JSON");
  folder_.write("config.json", "");
  EXPECT_ERROR(FileValidationError, open_model(folder_.path()), "config.json");
}

TEST_F(ModelSourceTest, TakesTheOnlyGgufOfAFolder) {
  folder_.write("a.gguf", llama_gguf().bytes());
  EXPECT_EQ(open_model(folder_.path())->config()["model_type"], "llama");
  folder_.write("b.gguf", "x");
  EXPECT_ERROR(FileValidationError, open_model(folder_.path()), "2 GGUF files");
}

TEST_F(ModelSourceTest, DescribesAFolderWithoutWeights) {
  folder_.write("config.json", R"({"model_type":"llama"})");
  const auto description = open_description(folder_.path());
  EXPECT_EQ(description->config()["model_type"], "llama");
  EXPECT_TRUE(description->tensor_names().empty());
  EXPECT_THROW(open_description(folder_.path() / "no"), ModelNotFoundError);
}

TEST_F(ModelSourceTest, FingerprintFollowsTheContent) {
  const auto fingerprint = [&](const std::string& config, const std::string& weights) {
    testing::TemporaryFolder other;
    other.write("config.json", config);
    other.write("model.safetensors", weights);
    return open_model(other.path())->fingerprint();
  };
  const auto weights = weights_file({"a", "b"});
  const auto first = fingerprint("{\"x\":1,\"y\":2}", weights);
  EXPECT_EQ(first.size(), 16u);
  EXPECT_EQ(fingerprint("{ \"y\":2, \"x\":1 }", weights), first);
  EXPECT_NE(fingerprint("{\"x\":1,\"y\":3}", weights), first);
  EXPECT_NE(fingerprint("{\"x\":1,\"y\":2}", weights_file({"a", "c"})), first);
  auto changed = weights;
  changed.back() = '\2';
  EXPECT_NE(fingerprint("{\"x\":1,\"y\":2}", changed), first);
}

}  // namespace
}  // namespace mm_orch::weights
