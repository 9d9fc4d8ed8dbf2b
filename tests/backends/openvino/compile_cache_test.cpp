// What was compiled lies beside the exported model and serves the next load.
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "mm_orch/log.h"
#include "openvino_fixture.h"
#include "support/model_folder.h"
#include "support/random_models.h"

namespace mm_orch::openvino {
namespace {

namespace fs = std::filesystem;
using backend::Precision;

class KeptCompiled : public ::testing::Test {
 protected:
  KeptCompiled() {
    set_log_sink(
        [this](LogLevel level, std::string_view message) { records.emplace_back(level, message); });
  }
  ~KeptCompiled() override { set_log_sink({}); }

  void export_model(const graph::Graph& graph, Precision precision) {
    info = graph.info;
    backend.export_artifact(graph, "m", {.precision = precision, .metadata = {}, .progress = {}});
    file = info.kind == graph::ModelKind::kDecoder ? "m.compiled" : "m_decoder.compiled";
  }

  // Logits of a prompt and of three more tokens, from a model loaded anew.
  std::vector<float> load_and_run(backend::LoadOptions options = {}) {
    options.keep_compiled = true;
    records.clear();
    const auto model =
        backend.open_artifact(fs::path(file).replace_extension(".xml"))->compile(info, options);
    const auto text = some_tokens(9);
    backend::SessionOptions session_options;
    if (info.kind == graph::ModelKind::kEncoderDecoder) session_options.sources = {text};
    const auto session = model->new_session(session_options);
    auto all = step(*session, some_tokens(10), LogitsOf::kAllTokens);
    for (int64_t token = 0; token < 3; ++token) {
      const auto logits = step(*session, {token});
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  }

  bool logged(LogLevel level, const std::string& part) const {
    return std::ranges::any_of(records, [&](const auto& record) {
      return record.first == level && record.second.find(part) != std::string::npos;
    });
  }
  bool was_used() const { return logged(LogLevel::kDebug, "m.compiled is used"); }

  testing::ScratchFolder scratch;
  OpenVinoBackend backend;
  graph::ModelInfo info;
  std::string file;
  std::vector<std::pair<LogLevel, std::string>> records;
};

TEST_F(KeptCompiled, TheSecondLoadGivesTheSameWithoutCompiling) {
  for (const auto& graph : {llama_graph(), gpt2_graph()})
    for (const auto precision : {Precision::kFP32, Precision::kFP16, Precision::kINT8}) {
      export_model(graph, precision);
      const auto first = load_and_run();
      EXPECT_FALSE(was_used());
      EXPECT_TRUE(fs::exists(file));
      EXPECT_EQ(load_and_run(), first) << backend::precision_name(precision);
      EXPECT_TRUE(was_used());
    }
}

TEST_F(KeptCompiled, AnEncoderIsKeptWithItsDecoder) {
  for (const float scale : {1.0f, 0.25f}) {  // the first is paged
    export_model(encoder_decoder_graph(scale), Precision::kINT8);
    const auto first = load_and_run();
    EXPECT_EQ(load_and_run(), first);
    EXPECT_TRUE(logged(LogLevel::kDebug, "m_decoder.compiled is used"));
  }
}

TEST_F(KeptCompiled, ADamagedFileIsMadeAnewWithOneWarning) {
  export_model(llama_graph(), Precision::kINT8);
  const auto first = load_and_run();
  const auto good = testing::read_text(file);
  const size_t size = good.size();
  for (const size_t place : {size_t{0}, size / 3, size - 200, size - 20, size - 1}) {
    auto bad = good;
    bad[place] = static_cast<char>(bad[place] ^ 1);
    testing::write_text(file, bad);
    EXPECT_EQ(load_and_run(), first) << place;
    EXPECT_EQ(std::ranges::count(records, LogLevel::kWarning,
                                 [](const auto& record) { return record.first; }),
              1);
    EXPECT_TRUE(logged(LogLevel::kWarning, "m.compiled is not used and made anew: it is damaged"));
    EXPECT_EQ(load_and_run(), first);
    EXPECT_TRUE(was_used());
  }
  for (const auto& bad :
       {good.substr(0, size / 2), good.substr(0, 10), std::string(), good + "x"}) {
    testing::write_text(file, bad);
    EXPECT_EQ(load_and_run(), first) << bad.size();
    EXPECT_FALSE(was_used());
    EXPECT_TRUE(logged(LogLevel::kWarning, "made anew"));
  }
}

TEST_F(KeptCompiled, AnotherModelUnderTheNameIsCompiled) {
  export_model(llama_graph(), Precision::kINT8);
  load_and_run();
  export_model(models::build_graph(testing::random_llama({{"rms_norm_eps", 1e-3}})),
               Precision::kINT8);
  const auto other = load_and_run();
  EXPECT_FALSE(was_used());
  EXPECT_TRUE(logged(LogLevel::kInfo, "not compiled for the same model"));
  fs::remove(file);
  EXPECT_EQ(load_and_run(), other);
}

TEST_F(KeptCompiled, OtherSettingsAreCompiled) {
  export_model(llama_graph(), Precision::kINT8);
  const auto first = load_and_run();
  const auto exact = load_and_run({.inference_precision = "f32"});
  EXPECT_TRUE(logged(LogLevel::kInfo, "not compiled for the same settings"));
  EXPECT_NE(exact, first);
  for (const backend::LoadOptions& other :
       {backend::LoadOptions{.num_threads = 1}, backend::LoadOptions{.num_streams = 1},
        backend::LoadOptions{.properties = {{"DYNAMIC_QUANTIZATION_GROUP_SIZE", "32"}}}}) {
    load_and_run();
    load_and_run(other);
    EXPECT_FALSE(was_used());
    load_and_run(other);
    EXPECT_TRUE(was_used());
  }
}

// One thread takes other settings: the fused layers of 16 bits fault with it.
TEST_F(KeptCompiled, OnAnotherNumberOfCoresIsCompiled) {
  cpu_set_t all;
  ASSERT_EQ(::sched_getaffinity(0, sizeof all, &all), 0);
  if (CPU_COUNT(&all) < 2) GTEST_SKIP() << "one core";
  export_model(llama_graph(), Precision::kINT8);
  load_and_run();
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &all)) CPU_SET(core, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  const auto model = backend.open_artifact("m.xml");
  records.clear();
  backend::LoadOptions options;
  options.keep_compiled = true;
  model->compile(info, options);
  EXPECT_EQ(::sched_setaffinity(0, sizeof all, &all), 0);
  EXPECT_TRUE(logged(LogLevel::kInfo, "not compiled for the same cores"));
}

TEST_F(KeptCompiled, WhereNothingCanBeWrittenTheModelLoads) {
  export_model(llama_graph(), Precision::kINT8);
  const auto first = load_and_run();
  fs::remove(file);
  fs::create_directories(fs::path(file) / "in the way");
  EXPECT_EQ(load_and_run(), first);
  EXPECT_TRUE(logged(LogLevel::kInfo, "What was compiled is not kept"));
  EXPECT_EQ(std::distance(fs::directory_iterator("."), fs::directory_iterator()), 3);
}

TEST_F(KeptCompiled, UnaskedNothingIsKept) {
  export_model(llama_graph(), Precision::kINT8);
  backend.open_artifact("m.xml")->compile(info, {});
  EXPECT_FALSE(fs::exists(file));
}

}  // namespace
}  // namespace mm_orch::openvino
