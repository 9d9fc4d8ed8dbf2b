// A loaded model guesses for another: which ones may, and what happens if it fails or goes.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include "backend/plugin.h"
#include "manager/manager_fixture.h"
#include "support/random_models.h"
#include "support/token_cache.h"

namespace mm_orch::manager {
namespace {

// The models of a test, in the order in which they were loaded; all say the same.
struct Loaded {
  std::vector<std::shared_ptr<testing::TokenCache>> caches;
};

class PagedModel final : public testing::CacheModel {
 public:
  explicit PagedModel(std::shared_ptr<testing::TokenCache> cache)
      : CacheModel(*cache), cache_(std::move(cache)) {}

 private:
  std::shared_ptr<testing::TokenCache> cache_;
};

class PagedBackend final : public backend::Backend {
 public:
  explicit PagedBackend(std::shared_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
  std::string name() const override { return "pytorch"; }
  std::string sdk_version() const override { return "scripted"; }
  std::vector<backend::DeviceInfo> devices() const override { return {{"cpu", "scripted"}}; }
  std::shared_ptr<backend::LoadedModel> load(const graph::Graph& graph,
                                             const backend::LoadOptions&) override {
    loaded_->caches.push_back(
        std::make_shared<testing::TokenCache>(256, graph.info.vocabulary_size));
    return std::make_shared<PagedModel>(loaded_->caches.back());
  }
  bool uses_artifacts() const override { return false; }
  void export_artifact(const graph::Graph&, const std::filesystem::path&,
                       const backend::ExportOptions&) override {
    throw BackendError("no artifacts");
  }
  std::unique_ptr<backend::Artifact> open_artifact(const std::filesystem::path&) override {
    throw BackendError("no artifacts");
  }

 private:
  std::shared_ptr<Loaded> loaded_;
};

class DraftModelsTest : public ManagerTest {
 protected:
  DraftModelsTest() {
    backend::register_backend(std::make_unique<PagedBackend>(loaded));
    testing::write_tiny_gpt2("models/small", 2);
    manager.load_model("tiny");
    manager.load_model("small");
    plain = manager.generate("tiny", std::vector<std::string>{"Hello", "a longer one"}, config);
    drafted.draft_model = "small";
  }

  std::string refusal(const std::string& model, const std::string& draft) {
    try {
      manager.generate(model, "Hello", {.draft_model = draft});
    } catch (const ConfigurationError& error) {
      EXPECT_EQ(error.context().model, model);
      return error.what();
    }
    return {};
  }

  std::shared_ptr<Loaded> loaded = std::make_shared<Loaded>();
  ModelManager manager;
  GenerationConfig config{.max_new_tokens = 40}, drafted{.max_new_tokens = 40};
  std::vector<GenerationResult> plain;
};

TEST_F(DraftModelsTest, TheTextIsThatWithoutADraft) {
  const auto results =
      manager.generate("tiny", std::vector<std::string>{"Hello", "a longer one"}, drafted);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(results[i].new_tokens, plain[i].new_tokens);
    EXPECT_EQ(results[i].text, plain[i].text);
    EXPECT_GT(results[i].accepted_draft_tokens, 0);
  }
  EXPECT_TRUE(warnings.empty());
}

TEST_F(DraftModelsTest, OneThatFailsIsNamedAndTheAnswerComes) {
  loaded->caches[1]->before_step = [steps = std::make_shared<int>(0)](auto) {
    if (++*steps > 3) throw InferenceError("kernel failed");
  };
  EXPECT_EQ(manager.generate("tiny", "Hello", drafted), "Hello" + plain[0].text);
  EXPECT_EQ(warnings, std::vector<std::string>{
                          "tiny: going on without the draft model small: kernel failed"});
  EXPECT_TRUE(manager.get_fallback_events().empty());
}

TEST_F(DraftModelsTest, OneThatIsNotLoadedIsNamed) {
  manager.unload_model("small");
  try {
    manager.generate("tiny", "Hello", drafted);
    ADD_FAILURE() << "no error";
  } catch (const InvalidInputError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("Model 'small' is not loaded"))
        << error.what();
  }
}

TEST_F(DraftModelsTest, AnotherVocabularyIsRefused) {
  auto text = testing::read_text("models/small/tokenizer.json");
  const size_t place = text.find("\"q\":113");
  ASSERT_NE(place, std::string::npos);
  text.replace(place, 7, "\"qu\":113");
  testing::write_model(testing::random_gpt2({{"vocab_size", 256}}), "models/other");
  testing::write_text("models/other/tokenizer.json", text);
  manager.load_model("other");
  EXPECT_EQ(refusal("tiny", "other"),
            "'other' cannot be the draft model of 'tiny': its vocabulary is another one: token 113 "
            "is \"qu\", not \"q\". Choose one with the same vocabulary, such as a smaller model of "
            "its family, or leave out the draft model");
}

TEST_F(DraftModelsTest, WithoutTokenizersTheSizesHaveToBeEqual) {
  testing::write_model(testing::random_gpt2({{"vocab_size", 256}}), "models/equal");
  testing::write_model(testing::random_gpt2({{"vocab_size", 255}}), "models/other");
  manager.load_model("equal");
  manager.load_model("other");
  EXPECT_NE(refusal("tiny", "other").find("it knows 255 tokens, not 256"), std::string::npos);
  EXPECT_EQ(refusal("tiny", "equal"), "");
}

TEST_F(DraftModelsTest, TheModelItselfIsRefused) {
  EXPECT_NE(refusal("tiny", "tiny").find("it is the model itself"), std::string::npos);
}

TEST_F(DraftModelsTest, ModelsWhoseTextsCannotForgetAreRefused) {
  testing::register_scripted_backend("pytorch");  // keeps a state for each session
  manager.unload_all();
  manager.load_model("tiny");
  manager.load_model("small");
  const auto message = refusal("tiny", "small");
  EXPECT_NE(message.find("'tiny' runs on pytorch, device auto, where a text cannot forget"),
            std::string::npos)
      << message;
}

TEST_F(DraftModelsTest, AnEncoderIsRefused) {
  testing::register_scripted_backend("pytorch");
  testing::write_model(testing::random_bert({{"vocab_size", 256}}), "models/encoder");
  manager.load_model("encoder");
  EXPECT_NE(refusal("tiny", "encoder").find("'encoder' is an encoder model"), std::string::npos);
}

TEST_F(DraftModelsTest, BeamsTakeNone) {
  drafted.num_beams = 2;
  EXPECT_THROW(manager.generate("tiny", "Hello", drafted), InvalidInputError);
}

TEST_F(DraftModelsTest, EachCanGuessForTheOtherAtOnce) {
  const auto other = manager.generate("small", "Hello", config);
  std::vector<std::string> texts(6);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < texts.size(); ++i)
    threads.emplace_back([&, i] {
      auto own = config;
      own.draft_model = i % 2 ? "tiny" : "small";
      texts[i] = manager.generate(i % 2 ? "small" : "tiny", "Hello", own);
    });
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < texts.size(); ++i)
    EXPECT_EQ(texts[i], i % 2 ? other : "Hello" + plain[0].text);
}

// Who is unloaded while it works is in use until the answer is there.
TEST_F(DraftModelsTest, BothMayBeUnloadedAndLoadedMeanwhile) {
  std::atomic<bool> done = false;
  std::thread other([&] {
    while (!done) {
      manager.unload_model("small");
      manager.load_model("small");
      manager.unload_all();
      manager.load_model("tiny");
      manager.load_model("small");
      manager.cleanup_stale();
    }
  });
  int answers = 0;
  for (int i = 0; answers == 0 || (i < 2000 && answers < 50); ++i) {
    try {
      EXPECT_EQ(manager.generate("tiny", "Hello", drafted), "Hello" + plain[0].text);
      ++answers;
    } catch (const InvalidInputError&) {  // not loaded just then
      std::this_thread::yield();
    }
  }
  done = true;
  other.join();
  EXPECT_GT(answers, 0);
  EXPECT_TRUE(warnings.empty());
}

TEST_F(DraftModelsTest, CountsAsUsedAndIsNotEvictedWhileItGuesses) {
  EXPECT_EQ(manager.get_cached_models().front(), "tiny");
  bool in_use = false;
  drafted.stream = [&](size_t, std::string_view) {
    for (const auto& model : manager.get_cache_info().models)
      if (model.name == "small") in_use = model.in_use;
    return true;
  };
  manager.generate("tiny", "Hello", drafted);
  EXPECT_TRUE(in_use);
  EXPECT_EQ(manager.get_cached_models().front(), "small");
}

}  // namespace
}  // namespace mm_orch::manager
