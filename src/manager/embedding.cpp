#include "manager/embedding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace mm_orch::manager {
namespace {

constexpr size_t kTextsAtOnce = 32;
constexpr size_t kTokensAtOnce = 8192;

void require_encoder(const ModelAssets& assets) {
  if (assets.info.kind != graph::ModelKind::kEncoder)
    throw InvalidInputError(
        fmt::format("'{}' ({}) generates text and gives no embeddings or class scores; load an "
                    "encoder, such as BERT, or use generate",
                    assets.name, assets.info.architecture),
        ErrorContext{.model = assets.name});
}

// Calls use(output, indices) for groups of texts of like length, so that little is padded.
template <class Use>
void encode_in_groups(FailoverSessions& sessions, const TokenizedTexts& texts, const Use& use) {
  const auto& tokens = texts.tokens;
  std::vector<size_t> order(tokens.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return tokens[i].size(); });
  for (size_t first = 0, last = 0; first < order.size(); first = last) {
    backend::EncoderInput input;
    while (last < order.size() && last - first < kTextsAtOnce &&
           (last == first || tokens[order[last]].size() * (last - first + 1) <= kTokensAtOnce)) {
      input.tokens.emplace_back(tokens[order[last]]);
      input.types.emplace_back(texts.types[order[last]]);
      ++last;
    }
    use(sessions.encode(input), std::span(order).subspan(first, last - first));
  }
}

void normalize(std::span<float> vector) {
  double square = 0;
  for (const float x : vector) square += double{x} * x;
  const auto scale = static_cast<float>(1.0 / std::max(std::sqrt(square), 1e-12));
  for (float& x : vector) x *= scale;
}

}  // namespace

TokenizedTexts tokenize(const ModelAssets& assets, const std::vector<std::string>& texts,
                        const std::vector<std::string>& pairs, bool truncate) {
  if (!pairs.empty() && pairs.size() != texts.size())
    throw InvalidInputError(fmt::format("{} second texts are given for {} texts; give one for each",
                                        pairs.size(), texts.size()));
  const auto& tokenizer = assets.require_tokenizer();
  std::optional<int64_t> longest;
  if (truncate && assets.info.context_length > 0) longest = assets.info.context_length;
  TokenizedTexts result;
  for (size_t i = 0; i < texts.size(); ++i) {
    std::optional<std::string_view> pair;
    if (!pairs.empty()) pair = pairs[i];
    auto encoding = tokenizer.encode_with_types(texts[i], pair, longest);
    assets.check_known(encoding.ids);
    result.tokens.push_back(std::move(encoding.ids));
    result.types.push_back(std::move(encoding.type_ids));
  }
  return result;
}

Embeddings embed(FailoverSessions& sessions, const ModelAssets& assets, const TokenizedTexts& texts,
                 const EmbedOptions& options) {
  require_encoder(assets);
  if (options.pooling != "mean" && options.pooling != "cls")
    throw InvalidInputError(
        fmt::format("Unknown pooling '{}'; allowed are \"mean\" and \"cls\"", options.pooling),
        ErrorContext{.model = assets.name});
  const auto width = static_cast<size_t>(assets.info.hidden_size);
  Embeddings result{.values = std::vector<float>(texts.tokens.size() * width),
                    .count = static_cast<int64_t>(texts.tokens.size()),
                    .size = assets.info.hidden_size};
  encode_in_groups(sessions, texts, [&](const auto& output, std::span<const size_t> indices) {
    const float* hidden = output.hidden.data();
    for (const size_t index : indices) {
      const std::span vector(result.values.data() + index * width, width);
      const size_t tokens = options.pooling == "cls" ? 1 : texts.tokens[index].size();
      for (size_t t = 0; t < tokens; ++t)
        for (size_t i = 0; i < width; ++i) vector[i] += hidden[t * width + i];
      for (float& x : vector) x /= static_cast<float>(tokens);
      if (options.normalize) normalize(vector);
      hidden += texts.tokens[index].size() * width;
    }
  });
  return result;
}

Classification classify(FailoverSessions& sessions, const ModelAssets& assets,
                        const TokenizedTexts& texts) {
  require_encoder(assets);
  const size_t width = assets.info.labels.size();
  if (width == 0)
    throw InvalidInputError(
        fmt::format("'{}' has no classification head (config.json's architectures); use embed",
                    assets.name),
        ErrorContext{.model = assets.name});
  Classification result{.logits = std::vector<float>(texts.tokens.size() * width),
                        .count = static_cast<int64_t>(texts.tokens.size()),
                        .labels = assets.info.labels};
  encode_in_groups(sessions, texts, [&](const auto& output, std::span<const size_t> indices) {
    for (size_t i = 0; i < indices.size(); ++i)
      std::copy_n(output.class_logits.data() + i * width, width,
                  result.logits.data() + indices[i] * width);
  });
  return result;
}

}  // namespace mm_orch::manager
