// Models with an encoder, on every installed backend, against the reference in plain
// loops: texts of unequal length, token types, cross attention, changed places.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "backend/plugin.h"
#include "graph/builder.h"
#include "support/random_graph.h"
#include "support/reference_backend.h"

namespace mm_orch::testing {
namespace {

using backend::LogitsOf;
using graph::GraphBuilder;
using graph::Side;
using graph::ValueId;

constexpr int64_t kVocabulary = 40;
constexpr int64_t kHidden = 32;
constexpr int64_t kHeads = 2;
constexpr int64_t kHeadSize = 16;
constexpr double kTolerance = 1e-5;

graph::ModelInfo info(graph::ModelKind kind) {
  graph::ModelInfo info{.architecture = "test",
                        .kind = kind,
                        .layers = 2,
                        .hidden_size = kHidden,
                        .heads = kHeads,
                        .kv_heads = kHeads,
                        .head_size = kHeadSize,
                        .vocabulary_size = kVocabulary};
  if (kind == graph::ModelKind::kEncoder) info.context_length = 16;
  return info;
}

class Parts {
 public:
  Parts(GraphBuilder& builder, RandomTensors& random) : builder_(builder), random_(random) {}

  ValueId linear(const std::string& name, ValueId x, int64_t out = kHidden) {
    return builder_.linear(name, x, builder_.weight(random_.matrix(name, out, kHidden)));
  }
  graph::RelativePosition relative(const std::string& name) {
    return {.table = builder_.weight(random_.make(name, {8, kHeads}, 2.0f)), .max_distance = 9};
  }
  ValueId encoder_layer(const std::string& name, ValueId x,
                        const graph::RelativePosition& relative) {
    const ValueId attended = builder_.encoder_attention(
        name, linear(name + ".q", x), linear(name + ".k", x), linear(name + ".v", x),
        {.heads = kHeads, .head_size = kHeadSize, .scale = 0.25f, .relative = relative});
    return builder_.add(name + ".residual", x, linear(name + ".o", attended));
  }
  ValueId decoder_layer(const std::string& name, ValueId x, ValueId source, int32_t layer,
                        const graph::RelativePosition& relative, float scale) {
    const ValueId own = builder_.attention(name, linear(name + ".q", x), linear(name + ".k", x),
                                           linear(name + ".v", x),
                                           {.layer = layer,
                                            .heads = kHeads,
                                            .kv_heads = kHeads,
                                            .head_size = kHeadSize,
                                            .scale = scale,
                                            .relative = relative});
    x = builder_.add(name + ".residual", x, own);
    const std::string cross = name + ".cross";
    const ValueId seen = builder_.cross_attention(
        cross, linear(cross + ".q", x), linear(cross + ".k", source), linear(cross + ".v", source),
        {.layer = layer, .heads = kHeads, .head_size = kHeadSize, .scale = scale});
    return builder_.add(cross + ".residual", x, seen);
  }
  ValueId embedding(const std::string& name, ValueId ids, int64_t rows) {
    return builder_.embedding(name, ids, builder_.weight(random_.make(name, {rows, kHidden})));
  }

 private:
  GraphBuilder& builder_;
  RandomTensors& random_;
};

graph::Graph encoder_graph(bool with_relative) {
  RandomTensors random(11);
  auto model = info(graph::ModelKind::kEncoder);
  model.labels = {"one", "two", "three"};
  GraphBuilder builder(model);
  Parts parts(builder, random);
  ValueId x = parts.embedding("words", builder.token_ids(Side::kEncoder), kVocabulary);
  x = builder.add("typed", x, parts.embedding("types", builder.token_types(), 2));
  x = builder.add("placed", x, parts.embedding("positions", builder.positions(Side::kEncoder), 16));
  const auto relative = with_relative ? parts.relative("bias") : graph::RelativePosition{};
  x = parts.encoder_layer("layer0", x, relative);
  x = parts.encoder_layer("layer1", x, relative);
  builder.set_hidden(x);
  return builder.finish_encoder(parts.linear("classes", builder.tanh("pooled", x), 3));
}

graph::Graph encoder_decoder_graph(float scale) {
  RandomTensors random(12);
  GraphBuilder builder(info(graph::ModelKind::kEncoderDecoder));
  Parts parts(builder, random);
  ValueId x = parts.embedding("source_words", builder.token_ids(Side::kEncoder), kVocabulary);
  const auto encoder_bias = parts.relative("encoder_bias");
  x = parts.encoder_layer("encoder0", x, encoder_bias);
  const ValueId source = parts.encoder_layer("encoder1", x, encoder_bias);
  builder.set_hidden(source);
  ValueId y = parts.embedding("words", builder.token_ids(), kVocabulary);
  const auto decoder_bias = parts.relative("decoder_bias");
  y = parts.decoder_layer("decoder0", y, source, 0, decoder_bias, scale);
  y = parts.decoder_layer("decoder1", y, source, 1, decoder_bias, scale);
  return builder.finish("head", y, builder.weight(random.matrix("head", kVocabulary, kHidden)));
}

std::shared_ptr<backend::LoadedModel> load(backend::Backend& backend, const graph::Graph& graph) {
  return backend.load(graph, {.inference_precision = "f32", .properties = {}});
}

void expect_close(const std::vector<float>& actual, const std::vector<float>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  double worst = 0, largest = 0;
  for (size_t i = 0; i < actual.size(); ++i) {
    ASSERT_TRUE(std::isfinite(actual[i]));
    worst = std::max(worst, std::abs(double{actual[i]} - expected[i]));
    largest = std::max(largest, std::abs(double{expected[i]}));
  }
  ASSERT_GT(largest, 0.1);
  EXPECT_LE(worst / largest, kTolerance);
}

const std::vector<std::vector<int64_t>> kTexts = {
    {3, 9, 1, 30, 7}, {5}, {8, 8, 2, 39, 0}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}};

std::vector<std::span<const int64_t>> spans(const std::vector<std::vector<int64_t>>& texts) {
  return {texts.begin(), texts.end()};
}

class EncoderConformance : public ::testing::TestWithParam<std::string> {
 protected:
  void compare_encoder(const graph::Graph& graph, const backend::EncoderInput& input) {
    const auto actual = load(backend::get_backend(GetParam()), graph)->encode(input);
    const auto expected = load(*make_reference_backend(), graph)->encode(input);
    expect_close(actual.hidden, expected.hidden);
    expect_close(actual.class_logits, expected.class_logits);
  }

  static std::vector<float> decode(backend::Backend& backend, const std::vector<int64_t>& chunks,
                                   bool reorder, float scale) {
    const auto texts = spans(kTexts);
    // Two sequences share a text, as beams do.
    const auto session = load(backend, encoder_decoder_graph(scale))
                             ->new_session({.batch = 3,
                                            .padding = {},
                                            .capacity = 0,
                                            .sources = {texts[0], texts[3], texts[3]}});
    std::vector<float> logits;
    int64_t next = 1;
    for (const int64_t chunk : chunks) {
      std::vector<int64_t> tokens(static_cast<size_t>(3 * chunk));
      for (auto& token : tokens) token = (next = next * 17 % kVocabulary + 1) % kVocabulary;
      const auto step = session->step(tokens, LogitsOf::kAllTokens);
      logits.insert(logits.end(), step.begin(), step.end());
      if (reorder) session->reorder(std::vector<int32_t>{1, 0, 0});
    }
    return logits;
  }
  void compare_decoder(const std::vector<int64_t>& chunks, bool reorder) {
    // A T5 does not scale its scores; OpenVINO shares the steps of such models alone.
    for (const float scale : {1.0f, 0.25f})
      expect_close(decode(backend::get_backend(GetParam()), chunks, reorder, scale),
                   decode(*make_reference_backend(), chunks, reorder, scale));
  }
};

TEST_P(EncoderConformance, TextsOfUnequalLengthMatchTheReference) {
  compare_encoder(encoder_graph(false), {spans(kTexts), {}});
}

TEST_P(EncoderConformance, RelativePositionsMatchTheReference) {
  compare_encoder(encoder_graph(true), {spans(kTexts), {}});
}

TEST_P(EncoderConformance, TokenTypesMatchTheReference) {
  const std::vector<std::vector<int64_t>> types = {
      {0, 0, 1, 1, 1}, {1}, {0, 0, 0, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}};
  compare_encoder(encoder_graph(false), {spans(kTexts), spans(types)});
}

TEST_P(EncoderConformance, CrossAttentionStepByStepMatchesTheReference) {
  compare_decoder({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, false);
}

TEST_P(EncoderConformance, CrossAttentionOfManyTokensMatchesTheReference) {
  compare_decoder({11, 1, 6}, false);
}

TEST_P(EncoderConformance, ReorderedSequencesKeepTheirSources) {
  compare_decoder({2, 1, 1, 1}, true);
}

TEST_P(EncoderConformance, RefusesWhatDoesNotFit) {
  const auto texts = spans(kTexts);
  auto& backend = backend::get_backend(GetParam());
  const auto encoder = load(backend, encoder_graph(false));
  EXPECT_THROW(encoder->new_session({}), InvalidInputError);
  EXPECT_THROW(encoder->encode({{}, {}}), InvalidInputError);
  EXPECT_THROW(encoder->encode({{std::span<const int64_t>()}, {}}), InvalidInputError);
  const std::vector<int64_t> outside = {kVocabulary};
  EXPECT_THROW(encoder->encode({{outside}, {}}), InvalidInputError);
  const std::vector<int64_t> too_long(17, 1);
  EXPECT_THROW(encoder->encode({{too_long}, {}}), InvalidInputError);
  const auto decoder = load(backend, encoder_decoder_graph(1));
  EXPECT_THROW(decoder->encode({texts, {}}), InvalidInputError);
  EXPECT_THROW(decoder->new_session({.batch = 2, .padding = {}, .capacity = 0, .sources = {}}),
               InvalidInputError);
}

std::vector<std::string> installed_backends() {
  std::vector<std::string> names;
  for (const auto& status : backend::plugin_status())
    if (status.available) names.push_back(status.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Backends, EncoderConformance, ::testing::ValuesIn(installed_backends()),
                         [](const auto& test) { return test.param; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(EncoderConformance);

}  // namespace
}  // namespace mm_orch::testing
