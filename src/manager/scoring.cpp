#include "manager/scoring.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace mm_orch::manager {
namespace {

// Bounds the logits that a backend holds at once: 64 x 50,257 floats are 13 MB.
constexpr int64_t kChunk = 64;

void check(std::span<const int64_t> tokens, const graph::ModelInfo& info) {
  const auto count = static_cast<int64_t>(tokens.size());
  if (count < 1 || count > info.context_length)
    throw InvalidInputError(
        fmt::format("Cannot score {} tokens; from 1 to {} (the context) are "
                    "allowed",
                    count, info.context_length));
  check_token_ids(tokens, info);
}

float log_probability(std::span<const float> logits, int64_t token) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return static_cast<float>(logits[static_cast<size_t>(token)] - most - std::log(sum));
}

ScoreResult score_on(backend::Session& session, const graph::ModelInfo& info,
                     std::span<const int64_t> tokens, const ScoreOptions& options) {
  const auto vocabulary = static_cast<size_t>(info.vocabulary_size);
  ScoreResult result{.tokens = {tokens.begin(), tokens.end()},
                     .log_probabilities = {},
                     .logits = {},
                     .vocabulary_size = info.vocabulary_size};
  if (options.with_logits) result.logits.reserve(tokens.size() * vocabulary);
  const size_t chunk = options.stepwise ? 1 : kChunk;
  for (size_t begin = 0; begin < tokens.size(); begin += chunk) {
    const auto fed = tokens.subspan(begin, std::min(chunk, tokens.size() - begin));
    const auto logits = session.step(
        fed, options.stepwise ? backend::LogitsOf::kLastToken : backend::LogitsOf::kAllTokens);
    if (logits.size() != fed.size() * vocabulary)
      throw InferenceError(fmt::format("The backend returned {} logits, {} x {} were expected",
                                       logits.size(), fed.size(), vocabulary));
    if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }))
      throw NumericFaultError("NaN or Inf in the logits");
    if (options.with_logits)
      result.logits.insert(result.logits.end(), logits.begin(), logits.end());
    for (size_t i = 0; i < fed.size() && begin + i + 1 < tokens.size(); ++i)
      result.log_probabilities.push_back(
          log_probability(logits.subspan(i * vocabulary, vocabulary), tokens[begin + i + 1]));
  }
  return result;
}

}  // namespace

void check_token_ids(std::span<const int64_t> tokens, const graph::ModelInfo& info) {
  for (const int64_t token : tokens)
    if (token < 0 || token >= info.vocabulary_size)
      throw InvalidInputError(fmt::format("Token id {} is outside the vocabulary [0, {})", token,
                                          info.vocabulary_size));
}

ScoreResult score_tokens(generation::SessionProvider& sessions, const graph::ModelInfo& info,
                         std::span<const int64_t> tokens, const ScoreOptions& options) {
  check(tokens, info);
  const backend::SessionOptions wanted{
      .batch = 1, .padding = {}, .capacity = static_cast<int64_t>(tokens.size())};
  auto session = sessions.open(wanted);
  for (;;) {
    try {
      return score_on(*session, info, tokens, options);
    } catch (const BackendError& error) {
      session = sessions.recover(error, wanted);
    } catch (const OutOfMemoryError& error) {
      session = sessions.recover(error, wanted);
    }
  }
}

}  // namespace mm_orch::manager
