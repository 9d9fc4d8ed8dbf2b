#include "generation/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "generation/exp.h"

namespace mm_orch::generation {

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

// The order in which top-p takes tokens: the likeliest first, equal ones by id.
bool likelier(const Candidate& a, const Candidate& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

double total_weight(std::span<const Candidate> candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

[[noreturn]] void throw_not_finite(std::span<const float> logits, uint64_t position) {
  const auto bad =
      std::find_if(logits.begin(), logits.end(), [](float logit) { return !std::isfinite(logit); });
  throw NumericFaultError(fmt::format(
      "The model gave {} as logit of token {} at new token {}; logits must be finite. Run the "
      "model in f32 precision or on another backend; if it stays, the weights are damaged.",
      *bad, bad - logits.begin(), position));
}

// The last of the likeliest candidates that reach `mass` together. Reorders them.
Candidate last_within(std::vector<Candidate>& candidates, double mass) {
  constexpr ptrdiff_t kSortBelow = 32;
  auto begin = candidates.begin();
  auto end = candidates.end();
  double before = 0;
  while (end - begin > kSortBelow) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, likelier);
    const double upper = total_weight({begin, middle});
    if (before + upper >= mass) {
      end = middle;
    } else {
      before += upper;
      begin = middle;
    }
  }
  std::sort(begin, end, likelier);
  for (auto it = begin; it != end; ++it) {
    before += it->weight;
    if (before >= mass) return *it;
  }
  return *(end - 1);
}

}  // namespace

Sampler::Sampler(const ResolvedConfig& config, uint64_t sequence, std::span<const int64_t> prompt)
    : config_(config), random_(config.seed, sequence) {
  for (int64_t token : prompt) see(token);
}

void Sampler::see(int64_t token) {
  const auto index = static_cast<size_t>(token);
  if (index >= is_seen_.size()) is_seen_.resize(index + 1);
  if (is_seen_[index]) return;
  is_seen_[index] = true;
  seen_.push_back(token);
}

void Sampler::read(std::span<const float> logits) {
  scan_logits(logits, scan_);
  if (!scan_.finite) throw_not_finite(logits, generated_);
  logits_ = logits;
  const bool too_short = generated_ < config_.min_new_tokens && !config_.eos_token_ids.empty();
  if (config_.repetition_penalty != 1.0f || too_short) process(logits);
}

void Sampler::process(std::span<const float> logits) {
  processed_.assign(logits.begin(), logits.end());
  const auto size = static_cast<int64_t>(logits.size());
  if (const float penalty = config_.repetition_penalty; penalty != 1.0f) {
    constexpr float kLimit = std::numeric_limits<float>::max();
    for (int64_t token : seen_) {
      if (token >= size) continue;
      float& logit = processed_[token];
      logit = std::clamp(logit > 0 ? logit / penalty : logit * penalty, -kLimit, kLimit);
    }
  }
  if (generated_ < config_.min_new_tokens) {
    for (int64_t token : config_.eos_token_ids) {
      if (token < size) processed_[token] = kForbidden;
    }
  }
  logits_ = processed_;
  scan_logits(logits_, scan_);
  if (scan_.max == kForbidden) {
    throw InvalidInputError(
        fmt::format("min_new_tokens is {}, but every token of the vocabulary is in eos_token_ids; "
                    "lower min_new_tokens to 0 or shorten eos_token_ids.",
                    config_.min_new_tokens));
  }
}

std::span<const Candidate> Sampler::candidates() {
  const auto size = static_cast<int64_t>(logits_.size());
  if (config_.top_k > 0 && config_.top_k < size) {
    collect_top_k();
  } else {
    collect_all();
  }
  if (config_.top_p < 1.0f) filter_top_p();
  if (config_.min_p > 0.0f) filter_min_p();
  return candidates_;
}

// The k-th largest block maximum is no larger than the k-th largest logit, so only blocks that
// reach it can hold one of the k. Tokens that tie with the last of them stay too, as in
// transformers.
void Sampler::collect_top_k() {
  const auto k = static_cast<size_t>(config_.top_k);
  const auto& block_max = scan_.block_max;
  float threshold = kForbidden;
  if (k <= block_max.size()) {
    std::vector<float> maxima = block_max;
    std::nth_element(maxima.begin(), maxima.begin() + (k - 1), maxima.end(), std::greater<>());
    threshold = maxima[k - 1];
  }
  candidates_.clear();
  for (size_t block = 0; block < block_max.size(); ++block) {
    if (block_max[block] < threshold) continue;
    const size_t end = std::min((block + 1) * kScanBlock, logits_.size());
    for (size_t i = block * kScanBlock; i < end; ++i) {
      if (logits_[i] < threshold) continue;
      const float score = (logits_[i] - scan_.max) / config_.temperature;
      candidates_.push_back({static_cast<int64_t>(i), score, 0});
    }
  }
  scratch_ = candidates_;
  std::nth_element(scratch_.begin(), scratch_.begin() + (k - 1), scratch_.end(), likelier);
  const float last = scratch_[k - 1].score;
  std::erase_if(candidates_, [last](const Candidate& c) { return c.score < last; });
  for (Candidate& candidate : candidates_) candidate.weight = exp_nonpositive(candidate.score);
}

void Sampler::collect_all() {
  candidates_.resize(logits_.size());
  const float max = scan_.max;
  const float temperature = config_.temperature;
  for (size_t i = 0; i < logits_.size(); ++i) {
    const float score = (logits_[i] - max) / temperature;
    candidates_[i] = {static_cast<int64_t>(i), score, exp_nonpositive(score)};
  }
}

// Tokens so unlikely that all of them together weigh less than 1 - top_p are never among those that
// are kept; leaving them out first makes the selection short.
void Sampler::filter_top_p() {
  const double total = total_weight(candidates_);
  const double mass = static_cast<double>(config_.top_p) * total;
  const double negligible = (total - mass) / static_cast<double>(candidates_.size());
  scratch_.clear();
  for (const Candidate& candidate : candidates_) {
    if (candidate.weight >= negligible) scratch_.push_back(candidate);
  }
  const Candidate last = last_within(scratch_, mass);
  std::erase_if(candidates_, [&last](const Candidate& c) { return likelier(last, c); });
}

// The likeliest token has weight 1.
void Sampler::filter_min_p() {
  std::erase_if(candidates_, [this](const Candidate& c) { return c.weight < config_.min_p; });
}

int64_t Sampler::choose() {
  int64_t token = 0;
  if (config_.do_sample) {
    const auto kept = candidates();
    const double target = random_.next() * total_weight(kept);
    double sum = 0;
    for (const Candidate& candidate : kept) {
      if (candidate.weight == 0) continue;
      token = candidate.id;
      sum += candidate.weight;
      if (sum > target) break;
    }
  } else {
    token = first_maximum(logits_, scan_);
  }
  ++generated_;
  see(token);
  return token;
}

}  // namespace mm_orch::generation
