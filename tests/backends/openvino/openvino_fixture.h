// What the tests of the OpenVINO plug-in share: small models, and running them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "graph/builder.h"
#include "models/registry.h"
#include "openvino_backend.h"
#include "support/random_graph.h"
#include "support/random_models.h"

namespace mm_orch::openvino {

using backend::LogitsOf;

inline graph::Graph llama_graph() { return models::build_graph(testing::random_llama()); }
inline graph::Graph gpt2_graph() { return models::build_graph(testing::random_gpt2()); }

/// One layer on either side, the decoder's attending to itself and to the source. As a T5's it adds
/// a bias of the distance and does not scale scores; `scale` other than 1: neither.
inline graph::Graph encoder_decoder_graph(float scale) {
  constexpr int64_t kHeads = 2, kHeadSize = 24, kHidden = kHeads * kHeadSize, kVocabulary = 64;
  testing::RandomTensors random(3);
  graph::ModelInfo info;
  info.kind = graph::ModelKind::kEncoderDecoder;
  info.layers = 1;
  info.hidden_size = kHidden;
  info.heads = info.kv_heads = kHeads;
  info.head_size = kHeadSize;
  info.vocabulary_size = kVocabulary;
  graph::GraphBuilder builder(info);
  const auto table = builder.weight(random.make("table", {kVocabulary, kHidden}));
  const auto source = builder.embedding("source", builder.token_ids(graph::Side::kEncoder), table);
  const auto hidden =
      builder.linear("in", source, builder.weight(random.matrix("w", kHidden, kHidden)));
  builder.set_hidden(hidden);
  const auto y = builder.embedding("words", builder.token_ids(), table);
  graph::Attention own{
      .layer = 0, .heads = kHeads, .kv_heads = kHeads, .head_size = kHeadSize, .scale = scale};
  if (scale == 1)
    own.relative = {.table = builder.weight(random.make("bias", {8, kHeads}, 2.0f)),
                    .max_distance = 40};
  const auto attended = builder.linear("out", builder.attention("own", y, y, y, own),
                                       builder.weight(random.matrix("o", kHidden, kHidden)));
  const auto seen = builder.cross_attention(
      "cross", attended, hidden, hidden,
      {.layer = 0, .heads = kHeads, .head_size = kHeadSize, .scale = scale});
  return builder.finish("head", builder.add("sum", attended, seen), table);
}

inline std::vector<int64_t> some_tokens(int64_t count, int64_t seed = 0) {
  std::vector<int64_t> tokens(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) tokens[static_cast<size_t>(i)] = (seed + i * 7 + 3) % 60;
  return tokens;
}

inline std::vector<float> step(backend::Session& session, std::vector<int64_t> tokens,
                               LogitsOf logits_of = LogitsOf::kLastToken) {
  const auto logits = session.step(tokens, logits_of);
  return {logits.begin(), logits.end()};
}

/// Largest |a - b| divided by the largest |b|.
inline double error_of(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) return INFINITY;
  double worst = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    worst = std::max(worst, std::abs(double{a[i]} - b[i]));
    largest = std::max(largest, std::abs(double{b[i]}));
  }
  return std::isfinite(worst) ? worst / largest : INFINITY;
}

}  // namespace mm_orch::openvino
