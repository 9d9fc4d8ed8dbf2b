#include "backend/inputs.h"

#include <fmt/format.h>

#include <algorithm>

namespace mm_orch::backend {
namespace {

void check_ids(std::span<const int64_t> ids, int64_t limit, const char* what) {
  for (const int64_t id : ids)
    if (id < 0 || id >= limit)
      throw InvalidInputError(
          fmt::format("{} {} is out of range; allowed are 0 to {}", what, id, limit - 1));
}

void check_texts(const std::vector<std::span<const int64_t>>& texts, const graph::ModelInfo& info) {
  const int64_t limit = info.kind == graph::ModelKind::kEncoder ? info.context_length : 0;
  for (const auto& text : texts) {
    if (text.empty()) throw InvalidInputError("A text has no tokens; each needs at least one");
    if (limit > 0 && static_cast<int64_t>(text.size()) > limit)
      throw InvalidInputError(fmt::format(
          "A text has {} tokens, but the model takes {} at most; shorten or split it, or ask "
          "for truncation",
          text.size(), limit));
    check_token_ids(text, info.vocabulary_size);
  }
}

}  // namespace

void check_token_ids(std::span<const int64_t> ids, int64_t vocabulary_size) {
  check_ids(ids, vocabulary_size, "Token id");
}

void check_session_options(const SessionOptions& options, const graph::ModelInfo& info) {
  const auto batch = static_cast<size_t>(std::max<int64_t>(options.batch, 0));
  if (info.kind == graph::ModelKind::kEncoder)
    throw InvalidInputError("The model is an encoder and generates no text; use embed or infer");
  if (batch < 1)
    throw InvalidInputError(
        fmt::format("The batch has {} sequences; it needs 1 or more", options.batch));
  if (!options.padding.empty() && options.padding.size() != batch)
    throw InvalidInputError(
        fmt::format("padding has {} entries for {} sequences", options.padding.size(), batch));
  for (const int64_t padding : options.padding)
    if (padding < 0)
      throw InvalidInputError(fmt::format("A padding is {}; it must not be negative", padding));
  const size_t wanted = info.kind == graph::ModelKind::kEncoderDecoder ? batch : 0;
  if (options.sources.size() != wanted)
    throw InvalidInputError(fmt::format("{} source texts are given where the model reads {}",
                                        options.sources.size(), wanted));
  check_texts(options.sources, info);
}

void check_encoder_input(const EncoderInput& input, const graph::ModelInfo& info) {
  if (input.tokens.empty()) throw InvalidInputError("No text is given; one or more are needed");
  check_texts(input.tokens, info);
  if (input.types.empty()) return;
  if (input.types.size() != input.tokens.size())
    throw InvalidInputError(fmt::format("Token types are given for {} texts of {}",
                                        input.types.size(), input.tokens.size()));
  for (size_t i = 0; i < input.types.size(); ++i) {
    if (input.types[i].size() != input.tokens[i].size())
      throw InvalidInputError(fmt::format("A text has {} tokens, but {} token types",
                                          input.tokens[i].size(), input.types[i].size()));
    check_ids(input.types[i], 2, "Token type");
  }
}

UniqueSources unique_sources(const std::vector<std::span<const int64_t>>& sources) {
  UniqueSources unique;
  for (const auto& source : sources) {
    const auto same = [&](const auto& other) {
      return other.data() == source.data() && other.size() == source.size();
    };
    const auto found = std::ranges::find_if(unique.texts, same);
    unique.index.push_back(static_cast<int32_t>(found - unique.texts.begin()));
    if (found == unique.texts.end()) unique.texts.push_back(source);
  }
  return unique;
}

}  // namespace mm_orch::backend
