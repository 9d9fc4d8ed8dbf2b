// Real files and this machine's real memory: a file with a hole may be larger than both.
#include "manager/memory_guard.h"

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/memory.h"
#include "manager/manager_fixture.h"
#include "support/random_graph.h"
#include "support/random_models.h"

namespace mm_orch::manager {
namespace {

namespace fs = std::filesystem;

class MemoryGuard : public ManagerTest {
 protected:
  MemoryGuard() {
    ModelManager().export_model("tiny", {.check = false});
    fs::resize_file("models/openvino/tiny/tiny.bin", 2 * memory_state().total_bytes);
  }
};

TEST_F(MemoryGuard, AModelLargerThanTheMemoryIsRefusedBeforeItIsCompiled) {
  openvino->at_compile = [](const std::string&) { FAIL() << "it was compiled"; };
  ModelManager manager(with_config("{default: openvino, openvino: {enable_fallback: false}}"));
  try {
    manager.load_model("tiny");
    FAIL() << "no error";
  } catch (const OutOfMemoryError& error) {
    const std::string message = error.what();
    for (const char* part : {"Model 'tiny' takes ", " GB of memory on openvino", "are available",
                             "lower precision", "unload", "max_cached_bytes"})
      EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(error.context().model, "tiny");
    EXPECT_EQ(error.context().backend, "openvino");
  }
}

// The weights are a hole in the file.
void write_model_larger_than_the_memory(const fs::path& folder) {
  const auto source = testing::random_gpt2({{"n_embd", 256}, {"n_head", 2}});
  auto config = source.config();
  config["vocab_size"] = 2 * memory_state().total_bytes / (256 * sizeof(float));
  auto header = nlohmann::json::object();
  uint64_t end = 0;
  for (const auto& name : source.tensor_names()) {
    auto shape = source.find(name)->shape;
    if (name == "transformer.wte.weight") shape[0] = config["vocab_size"];
    const uint64_t begin = end;
    end += sizeof(float) * static_cast<uint64_t>(std::accumulate(shape.begin(), shape.end(),
                                                                 int64_t{1}, std::multiplies()));
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, end}}};
  }
  const auto text = header.dump();
  const uint64_t length = text.size();
  testing::write_text(folder / "config.json", config.dump());
  const auto file = folder / "model.safetensors";
  testing::write_text(file, std::string(reinterpret_cast<const char*>(&length), 8) + text);
  fs::resize_file(file, 8 + length + end);
}

TEST_F(MemoryGuard, OnPyTorchItIsRefusedBeforeItIsLoaded) {
  write_model_larger_than_the_memory("models/large");
  pytorch->at_load = [] { FAIL() << "it was loaded"; };
  const auto message = error_of([] { ModelManager().load_model("large"); });
  for (const char* part : {"Model 'large' takes ", " GB of memory on pytorch", "are available"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

TEST_F(MemoryGuard, PyTorchAnswersIfItCan) {
  ModelManager manager(on("openvino"));
  manager.load_model("tiny");
  const auto events = manager.get_fallback_events();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].reason, FallbackReason::kOutOfMemory);
  EXPECT_EQ(manager.get_model_info("tiny").backend, "pytorch");
}

TEST_F(MemoryGuard, BothFilesOfAnEncoderDecoderModelCount) {
  for (const char* name : {"t_encoder.bin", "t_decoder.bin"}) testing::write_text(name, "12345");
  EXPECT_EQ(memory_needed("t_decoder.xml", {}).weight_bytes, 10u);
}

TEST_F(MemoryGuard, OnPyTorchTheStoredWeightsCount) {
  testing::RandomTensors random(1);
  graph::Graph graph;
  graph.weights.push_back({.name = "w", .parts = {random.make("w", {3, 5})}, .shape = {3, 5}});
  graph.info.layers = 2;
  graph.info.kv_heads = 3;
  graph.info.head_size = 4;
  graph.info.context_length = 10;
  const auto full = memory_needed(graph, {});
  EXPECT_EQ(full.weight_bytes, 15u * 4);
  EXPECT_EQ(full.cache_bytes, 2u * 2 * 3 * 4 * 10 * 4);
  EXPECT_EQ(memory_needed(graph, {.inference_precision = "bf16"}).weight_bytes, 15u * 2);
  EXPECT_EQ(memory_needed(graph, {.inference_precision = "bf16"}).cache_bytes,
            full.cache_bytes / 2);
  EXPECT_EQ(memory_needed(graph, {.inference_precision = "int8"}).weight_bytes, 15u * 4 * 17 / 64);
}

TEST_F(MemoryGuard, ALongContextCountsUpToAGibibyte) {
  graph::Graph graph;
  graph.info.layers = 100;
  graph.info.kv_heads = 100;
  graph.info.head_size = 100;
  graph.info.context_length = 1'000'000;
  EXPECT_EQ(memory_needed(graph, {}).cache_bytes, 1u << 30);
}

TEST_F(MemoryGuard, WhatFitsIsLoaded) {
  EXPECT_NO_THROW(require_memory({.weight_bytes = 1, .cache_bytes = 1}, "m", "pytorch"));
}

}  // namespace
}  // namespace mm_orch::manager
