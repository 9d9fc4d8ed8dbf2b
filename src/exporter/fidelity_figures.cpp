#include "exporter/fidelity_figures.h"

#include <algorithm>
#include <cmath>

#include "base/finite.h"

namespace mm_orch::exporter {
namespace {

double log_sum_exp(std::span<const float> logits, double largest) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

struct LogitError {
  double largest = 0;
  double mean = 0;
};

LogitError logit_error(std::span<const float> a, std::span<const float> b) {
  LogitError error;
  for (size_t i = 0; i < a.size(); ++i) {
    const double distance = std::abs(static_cast<double>(a[i]) - b[i]);
    error.largest = std::max(error.largest, distance);
    error.mean += distance;
  }
  error.mean /= static_cast<double>(a.size());
  return error;
}

// KL(a || b) of the distributions.
double divergence(std::span<const float> a, std::span<const float> b, double norm_a,
                  double norm_b) {
  double kl = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double log_a = a[i] - norm_a;
    kl += std::exp(log_a) * (log_a - (b[i] - norm_b));
  }
  return std::max(kl, 0.0);  // rounding may give -1e-17
}

}  // namespace

bool FidelityMeter::add(int64_t position, std::span<const float> reference,
                        std::span<const float> exported) {
  if (!all_finite(exported)) return false;
  const auto [least, most] = std::minmax_element(reference.begin(), reference.end());
  const auto chosen = std::max_element(exported.begin(), exported.end());
  const auto error = logit_error(reference, exported);
  const double range = std::max(static_cast<double>(*most) - *least, 1e-30);
  const double kl = divergence(reference, exported, log_sum_exp(reference, *most),
                               log_sum_exp(exported, *chosen));
  const auto first_most = std::max_element(reference.begin(), reference.end());
  const bool agrees = first_most - reference.begin() == chosen - exported.begin();
  sums_.max_logit_error = std::max(sums_.max_logit_error, error.largest);
  sums_.mean_logit_error += error.mean;
  sums_.max_relative_error = std::max(sums_.max_relative_error, error.largest / range);
  sums_.mean_relative_error += error.mean / range;
  sums_.max_kl = std::max(sums_.max_kl, kl);
  sums_.mean_kl += kl;
  if (agrees)
    ++agreements_;
  else if (!sums_.first_divergence)
    sums_.first_divergence = position;
  ++sums_.tokens;
  return true;
}

FidelityFigures FidelityMeter::figures() const {
  auto result = sums_;
  const auto count = static_cast<double>(sums_.tokens);
  result.mean_logit_error /= count;
  result.mean_relative_error /= count;
  result.mean_kl /= count;
  result.top1_agreement = static_cast<double>(agreements_) / count;
  return result;
}

}  // namespace mm_orch::exporter
