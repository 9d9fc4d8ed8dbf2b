#include "generation/candidates.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <limits>

#include "generation/exp.h"

namespace mm_orch::generation {

namespace {

bool likelier(const Candidate& a, const Candidate& b) {
  return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
}

float weigh(float logit, float max, float temperature) {
  return exp_nonpositive((logit - max) / temperature);
}

// Weights lie in [0, 1], where the bits of a float grow with its value; a bucket spans 1/32 of an
// octave.
constexpr int kBucketShift = 18;
constexpr size_t kBuckets = (std::bit_cast<uint32_t>(1.0f) >> kBucketShift) + 1;

size_t bucket_of(const Candidate& candidate) {
  return std::bit_cast<uint32_t>(candidate.weight) >> kBucketShift;
}

template <class Visit>
void for_each_above(std::span<const float> logits, const LogitScan& scan, float threshold,
                    const Visit& visit) {
  for (size_t block = 0; block < scan.block_max.size(); ++block) {
    if (scan.block_max[block] < threshold) continue;
    const size_t end = std::min((block + 1) * kScanBlock, logits.size());
    for (size_t i = block * kScanBlock; i < end; ++i) {
      if (logits[i] >= threshold) visit(static_cast<int32_t>(i), logits[i]);
    }
  }
}

// The k-th largest block maximum: no larger than the k-th largest logit.
float threshold_for(size_t k, std::vector<float> block_max) {
  if (k > block_max.size()) return -std::numeric_limits<float>::infinity();
  const auto last = block_max.begin() + static_cast<ptrdiff_t>(k - 1);
  std::nth_element(block_max.begin(), last, block_max.end(), std::greater<>());
  return *last;
}

double sum(std::span<const float> values, size_t begin, size_t end) {
  double lanes[kLanes] = {};
  size_t i = begin;
  for (; i + kLanes <= end; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += values[i + lane];
  }
  for (; i < end; ++i) lanes[0] += values[i];
  return (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
}

}  // namespace

double total_weight(std::span<const Candidate> candidates) {
  double total = 0;
  for (const Candidate& candidate : candidates) total += candidate.weight;
  return total;
}

void weigh_all(std::span<const float> logits, const LogitScan& scan, float temperature,
               Weights& weights) {
  weights.values.resize(logits.size());
  const size_t size = logits.size();
  float* values = weights.values.data();
  size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    store(values + i, exp_nonpositive((load(&logits[i]) - scan.max) / temperature));
  }
  for (; i < size; ++i) values[i] = weigh(logits[i], scan.max, temperature);

  weights.block_sums.clear();
  weights.total = 0;
  for (size_t begin = 0; begin < size; begin += kScanBlock) {
    weights.block_sums.push_back(sum(weights.values, begin, std::min(begin + kScanBlock, size)));
    weights.total += weights.block_sums.back();
  }
}

void collect_top_k(std::span<const float> logits, const LogitScan& scan, float temperature,
                   int64_t k, std::vector<Candidate>& candidates) {
  const auto count = static_cast<size_t>(k);
  std::vector<float> largest;
  for_each_above(logits, scan, threshold_for(count, scan.block_max),
                 [&](int32_t, float logit) { largest.push_back(logit); });
  const auto last = largest.begin() + static_cast<ptrdiff_t>(count - 1);
  std::nth_element(largest.begin(), last, largest.end(), std::greater<>());
  candidates.clear();
  for_each_above(logits, scan, *last, [&](int32_t id, float logit) {
    candidates.push_back({id, weigh(logit, scan.max, temperature)});
  });
}

void collect_above(const Weights& weights, float floor, std::vector<Candidate>& candidates) {
  candidates.clear();
  const std::span<const float> values = weights.values;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= floor) candidates.push_back({static_cast<int32_t>(i), values[i]});
  }
}

void collect_above(std::span<const float> logits, const LogitScan& scan, float temperature,
                   float floor, std::vector<Candidate>& candidates) {
  // exp is exact to 2e-7, so a block whose largest weight is below this holds nothing.
  const float block_floor = floor * (1.0f - 1e-6f);
  candidates.clear();
  for (size_t block = 0; block < scan.block_max.size(); ++block) {
    if (weigh(scan.block_max[block], scan.max, temperature) < block_floor) continue;
    const size_t end = std::min((block + 1) * kScanBlock, logits.size());
    for (size_t i = block * kScanBlock; i < end; ++i) {
      const float weight = weigh(logits[i], scan.max, temperature);
      if (weight >= floor) candidates.push_back({static_cast<int32_t>(i), weight});
    }
  }
}

// Finds the bucket in which the mass is reached, and sorts only that one.
Candidate last_of_nucleus(std::span<const Candidate> candidates, double mass) {
  std::array<double, kBuckets> sums{};
  size_t lowest = kBuckets - 1;
  for (const Candidate& candidate : candidates) {
    sums[bucket_of(candidate)] += candidate.weight;
    lowest = std::min(lowest, bucket_of(candidate));
  }
  size_t bucket = kBuckets - 1;
  double before = 0;
  for (; bucket > lowest && before + sums[bucket] < mass; --bucket) before += sums[bucket];

  std::vector<Candidate> members;
  for (const Candidate& candidate : candidates) {
    if (bucket_of(candidate) == bucket) members.push_back(candidate);
  }
  std::sort(members.begin(), members.end(), likelier);
  for (const Candidate& member : members) {
    before += member.weight;
    if (before >= mass) return member;
  }
  return members.back();
}

void keep_nucleus(const Candidate& last, std::vector<Candidate>& candidates) {
  std::erase_if(candidates, [&last](const Candidate& c) { return likelier(last, c); });
}

}  // namespace mm_orch::generation
