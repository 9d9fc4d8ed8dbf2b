// The tokens that sampling may draw, and the filters that choose them. A weight is a
// probability up to a common factor: exp((logit - largest logit) / temperature), so the
// likeliest token weighs 1. Lists are ordered by id.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "generation/logit_scan.h"

namespace mm_orch::generation {

struct Candidate {
  int32_t id;
  float weight;
};

double total_weight(std::span<const Candidate> candidates);

/// The weights of the whole vocabulary [V], and their sums by block of kScanBlock tokens.
struct Weights {
  std::vector<float> values;
  std::vector<double> block_sums;
  double total = 0;
};
void weigh_all(std::span<const float> logits, const LogitScan& scan, float temperature,
               Weights& weights);

/// The k likeliest tokens, k in [1, V), and those that tie with the last of them, as in
/// transformers.
void collect_top_k(std::span<const float> logits, const LogitScan& scan, float temperature,
                   int64_t k, std::vector<Candidate>& candidates);

/// All tokens that weigh at least `floor`; the second form weighs only blocks that reach it.
void collect_above(const Weights& weights, float floor, std::vector<Candidate>& candidates);
void collect_above(std::span<const float> logits, const LogitScan& scan, float temperature,
                   float floor, std::vector<Candidate>& candidates);

/// The token that completes the smallest set of the likeliest ones that weighs `mass`; of equal
/// tokens, those of lower id are taken first.
Candidate last_of_nucleus(std::span<const Candidate> candidates, double mass);
/// Drops what comes after `last` in that order.
void keep_nucleus(const Candidate& last, std::vector<Candidate>& candidates);

}  // namespace mm_orch::generation
