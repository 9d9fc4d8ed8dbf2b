// The CPU plug-in is fast only if it recognises what our graph means: that is read off
// the model it runs.
#include <gtest/gtest.h>

#include <map>

#include "compile_options.h"
#include "devices.h"
#include "loaded_model.h"
#include "lowering/lower.h"
#include "openvino_fixture.h"

namespace mm_orch::openvino {
namespace {

std::map<std::string, int> layer_counts(const ov::CompiledModel& compiled) {
  std::map<std::string, int> counts;
  for (const auto& node : compiled.get_runtime_model()->get_ops()) {
    const auto type = node->get_rt_info().at("layerType").as<std::string>();
    // Fused with the cache, attention also gives the cache's new keys and values.
    const bool with_cache = type == "ScaledDotProductAttention" && node->get_output_size() == 3;
    ++counts[with_cache ? "AttentionWithCache" : type];
  }
  return counts;
}

// As we run it: paged.
std::map<std::string, int> our_layers(const graph::Graph& graph, backend::Precision precision) {
  const auto model = OpenVinoModel::compile({.encoder = nullptr,
                                             .decoder = lower(graph, precision).decoder,
                                             .info = graph.info,
                                             .precision = "",
                                             .path = {}},
                                            {});
  return layer_counts(model->compiled());
}

// As other tools run the IR: with a state.
std::map<std::string, int> stateful_layers(const graph::Graph& graph,
                                           backend::Precision precision) {
  auto options = tuned_options(precision);
  raise_to_f32(options);  // the fused bf16 layers do not take models so small
  return layer_counts(core().compile_model(lower(graph, precision).decoder, "CPU", options));
}

class OpenVinoFusion : public ::testing::TestWithParam<backend::Precision> {};

TEST_P(OpenVinoFusion, LlamaRunsFusedLayers) {
  auto counts = our_layers(llama_graph(), GetParam());
  EXPECT_EQ(counts["PagedAttention"], 2);
  EXPECT_EQ(counts["RoPE"], 4);
  EXPECT_EQ(counts["RMS"], 5);
  EXPECT_EQ(counts["FullyConnected"], 2 * 4 + 1);
  EXPECT_EQ(counts["MatMul"], 0);
}

TEST_P(OpenVinoFusion, Gpt2RunsFusedLayers) {
  auto counts = our_layers(gpt2_graph(), GetParam());
  EXPECT_EQ(counts["PagedAttention"], 2);
  EXPECT_EQ(counts["MVN"], 5);
  EXPECT_EQ(counts["FullyConnected"], 2 * 4 + 1);
  EXPECT_EQ(counts["MatMul"], 0);
}

TEST_P(OpenVinoFusion, OtherToolsRunAttentionFusedWithItsState) {
  for (const auto& graph : {llama_graph(), gpt2_graph()}) {
    auto counts = stateful_layers(graph, GetParam());
    EXPECT_EQ(counts["AttentionWithCache"], 2);
    EXPECT_EQ(counts["ScaledDotProductAttention"], 0);
    EXPECT_EQ(counts["FullyConnected"], 2 * 4 + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, OpenVinoFusion,
                         ::testing::Values(backend::Precision::kFP32, backend::Precision::kFP16,
                                           backend::Precision::kINT8),
                         [](const auto& test) { return backend::precision_name(test.param); });

}  // namespace
}  // namespace mm_orch::openvino
