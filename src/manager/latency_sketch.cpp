#include "manager/latency_sketch.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mm_orch::manager {
namespace {

constexpr double kLeast = 1e-6;
constexpr double kMost = 1e6;
constexpr double kGamma = (1 + LatencySketch::kRelativeError) / (1 - LatencySketch::kRelativeError);

// Bucket i holds the values in (kLeast γ^(i-1), kLeast γ^i].
size_t bucket_of(double value) {
  return static_cast<size_t>(std::ceil(std::log(value / kLeast) / std::log(kGamma)));
}

}  // namespace

LatencySketch::LatencySketch() : buckets_(bucket_of(kMost) + 1) {}

void LatencySketch::add(double seconds) {
  const double value = std::isnan(seconds) ? kLeast : std::clamp(seconds, kLeast, kMost);
  ++buckets_[std::min(bucket_of(value), buckets_.size() - 1)];
  ++count_;
}

void LatencySketch::add(const LatencySketch& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
}

double LatencySketch::quantile(double q) const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  // Nearest rank: of few values, the 95th percentile is the largest, not one below the mean.
  const auto rank =
      std::max<int64_t>(0, static_cast<int64_t>(std::ceil(q * static_cast<double>(count_))) - 1);
  int64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    // The point of the bucket whose relative distance to both of its ends is the same.
    if (seen > rank) return kLeast * std::pow(kGamma, static_cast<double>(i)) * 2 / (kGamma + 1);
  }
  return kMost;
}

}  // namespace mm_orch::manager
