#include "generation/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "generation/processors.h"

namespace mm_orch::generation {

namespace {

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

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
  require_finite(scan_, logits, generated_);
  logits_ = logits;
  const bool too_short = generated_ < config_.min_new_tokens && !config_.eos_token_ids.empty();
  if (config_.repetition_penalty != 1.0f || too_short) process(logits);
}

void Sampler::process(std::span<const float> logits) {
  processed_.assign(logits.begin(), logits.end());
  if (config_.repetition_penalty != 1.0f) {
    penalize_repetition(processed_, seen_, config_.repetition_penalty);
  }
  if (generated_ < config_.min_new_tokens) forbid(processed_, config_.eos_token_ids);
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
  const float temperature = config_.temperature;
  if (limits_top_k()) {
    collect_top_k(logits_, scan_, temperature, config_.top_k, candidates_);
    if (config_.top_p < 1.0f) {
      const double mass = static_cast<double>(config_.top_p) * total_weight(candidates_);
      keep_nucleus(last_of_nucleus(candidates_, mass), candidates_);
    }
  } else if (config_.top_p < 1.0f) {
    collect_nucleus();
  } else {
    collect_above(logits_, scan_, temperature, config_.min_p, candidates_);
  }
  if (config_.min_p > 0.0f) {
    std::erase_if(candidates_, [this](const Candidate& c) { return c.weight < config_.min_p; });
  }
  return candidates_;
}

bool Sampler::limits_top_k() const {
  return config_.top_k > 0 && config_.top_k < static_cast<int64_t>(logits_.size());
}

// Tokens so unlikely that all of them together weigh less than 1 - top_p are never among those that
// are kept; leaving them out first makes the list short.
void Sampler::collect_nucleus() {
  weigh_all(logits_, scan_, config_.temperature, weights_);
  const double mass = static_cast<double>(config_.top_p) * weights_.total;
  const double negligible = (weights_.total - mass) / static_cast<double>(logits_.size());
  collect_above(weights_, static_cast<float>(negligible) * 0.999f, candidates_);
  keep_nucleus(last_of_nucleus(candidates_, mass), candidates_);
}

int64_t Sampler::draw() {
  const bool filtered = limits_top_k() || config_.top_p < 1.0f || config_.min_p > 0.0f;
  if (!filtered) return draw_from_all();
  const auto kept = candidates();
  const double target = random_.next() * total_weight(kept);
  int64_t token = 0;
  double sum = 0;
  for (const Candidate& candidate : kept) {
    if (candidate.weight == 0) continue;
    token = candidate.id;
    sum += candidate.weight;
    if (sum > target) break;
  }
  return token;
}

int64_t Sampler::draw_from_all() {
  weigh_all(logits_, scan_, config_.temperature, weights_);
  const double target = random_.next() * weights_.total;
  double sum = 0;
  size_t block = 0;
  const size_t last_block = weights_.block_sums.size() - 1;
  for (; block < last_block && sum + weights_.block_sums[block] <= target; ++block) {
    sum += weights_.block_sums[block];
  }
  int64_t token = 0;
  for (size_t i = block * kScanBlock; i < weights_.values.size(); ++i) {
    if (weights_.values[i] == 0) continue;
    token = static_cast<int64_t>(i);
    sum += weights_.values[i];
    if (sum > target) break;
  }
  return token;
}

int64_t Sampler::choose() {
  const int64_t token = config_.do_sample ? draw() : first_maximum(logits_, scan_);
  ++generated_;
  see(token);
  return token;
}

}  // namespace mm_orch::generation
