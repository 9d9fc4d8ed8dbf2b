#include "generation/processors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "mm_orch/errors.h"

namespace mm_orch::generation {

void require_finite(const LogitScan& scan, std::span<const float> logits, int64_t new_token) {
  if (scan.finite) return;
  const auto bad =
      std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  throw NumericFaultError(fmt::format(
      "The model gave {} as logit of token {} at new token {}; logits must be finite. Run the "
      "model in f32 precision or on another backend; if it stays, the weights are damaged.",
      *bad, bad - logits.begin(), new_token));
}

void penalize_repetition(std::span<float> scores, std::span<const int64_t> seen, float penalty) {
  constexpr float kLimit = std::numeric_limits<float>::max();
  for (const int64_t token : seen) {
    if (token >= static_cast<int64_t>(scores.size())) continue;
    float& score = scores[static_cast<size_t>(token)];
    score = std::clamp(score > 0 ? score / penalty : score * penalty, -kLimit, kLimit);
  }
}

void forbid(std::span<float> scores, std::span<const int64_t> tokens) {
  for (const int64_t token : tokens) {
    if (token < static_cast<int64_t>(scores.size()))
      scores[static_cast<size_t>(token)] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace mm_orch::generation
