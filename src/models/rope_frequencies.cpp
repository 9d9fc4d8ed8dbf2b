#include "models/rope_frequencies.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "mm_orch/errors.h"
#include "models/config_reader.h"
#include "models/tensor_access.h"

namespace mm_orch::models {
namespace {

constexpr double kTwoPi = 2.0 * std::numbers::pi;

std::vector<double> unscaled(double theta, int64_t head_size) {
  std::vector<double> frequencies(static_cast<size_t>(head_size / 2));
  for (size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] =
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
  return frequencies;
}

double positive(const ConfigReader& config, const std::string& key, double fallback) {
  const double found = config.number(key, fallback);
  if (!(found > 0))
    throw FileValidationError(fmt::format(
        "config.json: {} is {} in the rope scaling; allowed: a number above 0", key, found));
  return found;
}

void scale_llama3(const ConfigReader& scaling, double original_context,
                  std::vector<double>& frequencies) {
  const double factor = positive(scaling, "factor", 8.0);
  const double low = positive(scaling, "low_freq_factor", 1.0);
  const double high = positive(scaling, "high_freq_factor", 4.0);
  for (double& frequency : frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength > original_context / low) {
      frequency /= factor;
    } else if (wavelength >= original_context / high) {
      const double smooth = (original_context / wavelength - low) / (high - low);
      frequency = (1.0 - smooth) * frequency / factor + smooth * frequency;
    }
  }
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// Returns the attention factor.
double scale_yarn(const ConfigReader& scaling, double theta, double original_context,
                  std::vector<double>& frequencies) {
  const double factor = positive(scaling, "factor", 1.0);
  const double half = static_cast<double>(frequencies.size());
  const auto correction = [&](double rotations) {
    return half * std::log(original_context / (rotations * kTwoPi)) / std::log(theta);
  };
  double low = correction(positive(scaling, "beta_fast", 32.0));
  double high = correction(positive(scaling, "beta_slow", 1.0));
  if (scaling.flag("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, 2 * half - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double interpolated = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] *= interpolated / factor + 1.0 - interpolated;
  }
  const double mscale = scaling.number("mscale", 0);
  const double mscale_all = scaling.number("mscale_all_dim", 0);
  const double standard = mscale != 0 && mscale_all != 0
                              ? yarn_mscale(factor, mscale) / yarn_mscale(factor, mscale_all)
                              : yarn_mscale(factor, 1.0);
  return positive(scaling, "attention_factor", standard);
}

// GGUF: a divisor per frequency, computed when the file was converted.
void apply_stored_factors(const weights::ModelSource& source, std::vector<double>& frequencies) {
  if (source.find("rope_freqs.weight") == nullptr) return;
  const auto factors = weights::read_f32(
      require_tensor(source, "rope_freqs.weight", {static_cast<int64_t>(frequencies.size())}));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    if (!(factors[i] > 0))
      throw FileValidationError("rope_freqs.weight holds a factor that is not above 0",
                                {.path = source.path().string()});
    frequencies[i] /= factors[i];
  }
}

}  // namespace

graph::Rope rope_from_config(const weights::ModelSource& source, int64_t head_size) {
  static const nlohmann::json kNoScaling = nlohmann::json::object();
  const ConfigReader config(source.config());
  const auto* scaling_json = &config.value("rope_parameters");
  if (scaling_json->is_null()) scaling_json = &config.value("rope_scaling");
  if (scaling_json->is_null()) scaling_json = &kNoScaling;
  const ConfigReader scaling(*scaling_json);

  const double theta = positive(scaling, "rope_theta", positive(config, "rope_theta", 10000.0));
  const auto type = scaling.text("rope_type", scaling.text("type", "default"));
  const double original_context =
      positive(scaling, "original_max_position_embeddings",
               static_cast<double>(config.size("max_position_embeddings")));

  auto frequencies = unscaled(theta, head_size);
  graph::Rope rope{.head_size = head_size, .inverse_frequencies = {}, .attention_factor = 1.0f};
  if (type == "linear") {
    const double factor = positive(scaling, "factor", 1.0);
    for (double& frequency : frequencies) frequency /= factor;
  } else if (type == "llama3") {
    scale_llama3(scaling, original_context, frequencies);
  } else if (type == "yarn") {
    rope.attention_factor =
        static_cast<float>(scale_yarn(scaling, theta, original_context, frequencies));
  } else if (type != "default") {
    throw UnsupportedModelError(
        fmt::format("Rope scaling '{}' is not supported; supported: default, linear, llama3, yarn",
                    type),
        {.path = source.path().string()});
  }
  apply_stored_factors(source, frequencies);
  rope.inverse_frequencies.assign(frequencies.begin(), frequencies.end());
  return rope;
}

}  // namespace mm_orch::models
