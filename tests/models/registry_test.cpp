#include "models/registry.h"

#include <gtest/gtest.h>

#include <functional>

#include "mm_orch/errors.h"
#include "support/random_models.h"

namespace mm_orch::models {
namespace {

template <class Error>
std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing of that type was thrown";
}

TEST(Registry, ListsWhatWeHaveForAnUnknownArchitecture) {
  const testing::MemorySource source(nlohmann::json{{"model_type", "mamba"}});
  const auto message = message_of<UnsupportedModelError>([&] { build_graph(source); });
  EXPECT_NE(message.find("'mamba'"), std::string::npos) << message;
  EXPECT_NE(message.find("bert, gpt2, llama, mistral, qwen2, t5"), std::string::npos) << message;
}

TEST(Registry, RefusesAMissingTensorByNameAndShape) {
  auto source = testing::random_llama();
  source.remove("model.layers.1.mlp.down_proj.weight");
  const auto message = message_of<FileValidationError>([&] { build_graph(source); });
  EXPECT_NE(message.find("model.layers.1.mlp.down_proj.weight of shape [32, 48]"),
            std::string::npos)
      << message;
}

TEST(Registry, RefusesATensorOfAnotherShapeNamingBoth) {
  auto source = testing::random_gpt2({{"n_positions", 64}});
  auto tensor = *source.find("transformer.wpe.weight");
  tensor.shape = {32, 64};
  source.add(tensor);
  const auto message = message_of<FileValidationError>([&] { build_graph(source); });
  EXPECT_NE(message.find("[32, 64]"), std::string::npos) << message;
  EXPECT_NE(message.find("[64, 32]"), std::string::npos) << message;
}

TEST(Registry, RefusesImpossibleConfigValues) {
  for (const nlohmann::json& broken :
       {nlohmann::json{{"hidden_size", 0}}, nlohmann::json{{"num_hidden_layers", -3}},
        nlohmann::json{{"vocab_size", "many"}}, nlohmann::json{{"num_attention_heads", 5}},
        nlohmann::json{{"num_key_value_heads", 3}}, nlohmann::json{{"head_dim", 7}},
        nlohmann::json{{"hidden_size", int64_t{1} << 40}}}) {
    auto source = testing::random_llama();
    auto config = source.config();
    config.update(broken);
    EXPECT_THROW(model_info(config), FileValidationError) << broken;
  }
}

TEST(Registry, HeadsThatDoNotDivideTheWidthAreNamed) {
  const auto refused = [](nlohmann::json config, const std::string& key, int64_t heads) {
    config[key] = heads;
    return message_of<FileValidationError>([&] { model_info(config); });
  };
  for (const auto& config : {testing::random_llama().config(), testing::random_bert().config()})
    EXPECT_EQ(refused(config, "num_attention_heads", 5),
              "config.json: hidden_size 32 is not a multiple of num_attention_heads 5");
  EXPECT_EQ(refused(testing::random_gpt2().config(), "n_head", 5),
            "config.json: n_embd 32 is not a multiple of n_head 5");
}

}  // namespace
}  // namespace mm_orch::models
