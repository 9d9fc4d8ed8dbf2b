#include "compile_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sched.h>

#include <algorithm>
#include <openvino/op/parameter.hpp>
#include <openvino/op/result.hpp>
#include <openvino/runtime/properties.hpp>

#include "devices.h"
#include "mm_orch/log.h"
#include "openvino_errors.h"

namespace mm_orch::openvino {
namespace {

std::vector<std::string> property_names(const std::string& device) {
  std::vector<std::string> names;
  for (const auto& name : core().get_property(device, ov::supported_properties))
    if (name.is_mutable()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

// "f32", "bf16", "f16": whether the device computes in it natively.
bool device_computes_in(const std::string& precision, const std::string& device) {
  if (precision == "f32") return true;
  const auto capabilities = core().get_property(device, ov::device::capabilities);
  const std::string wanted = precision == "bf16" ? "BF16" : precision == "f16" ? "FP16" : "";
  return std::find(capabilities.begin(), capabilities.end(), wanted) != capabilities.end();
}

ov::AnyMap artifact_options(const ov::Model& model) {
  if (!model.has_rt_info("runtime_options")) return {};
  return model.get_rt_info<ov::AnyMap>("runtime_options");
}

void check_precision(const std::string& option, const std::string& precision,
                     const std::string& device) {
  const auto allowed = device_precisions(device);
  if (std::find(allowed.begin(), allowed.end(), precision) != allowed.end()) return;
  throw ConfigurationError(fmt::format("{} '{}' is not possible on {}; it computes in {}", option,
                                       precision, device, fmt::join(allowed, ", ")),
                           {.backend = kBackendName, .device = device});
}

bool is_float(const ov::Any& precision) {
  const auto name = precision.as<std::string>();
  return name == "f32" || name == "bf16" || name == "f16";
}

// Whether the device takes a value shows only when a model is compiled with it: the smallest.
void check_value(const std::string& name, const ov::Any& value, const std::string& device) {
  const auto input = std::make_shared<ov::op::v0::Parameter>(ov::element::f32, ov::PartialShape{1});
  const auto result = std::make_shared<ov::op::v0::Result>(input);
  const auto model =
      std::make_shared<ov::Model>(ov::ResultVector{result}, ov::ParameterVector{input});
  translate<ConfigurationError>(fmt::format("OpenVINO property '{}' cannot be '{}' on {}", name,
                                            value.as<std::string>(), device),
                                {.backend = kBackendName, .device = device}, [&] {
                                  core().compile_model(model, device, {{name, value}});
                                });
}

void check_properties(const ov::AnyMap& properties, const std::vector<std::string>& known,
                      const std::string& device) {
  for (const auto& [name, value] : properties) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw ConfigurationError(fmt::format("Unknown OpenVINO property '{}' for {}; it has {}", name,
                                           device, fmt::join(known, ", ")),
                               {.backend = kBackendName, .device = device});
    check_value(name, value, device);
    // OpenVINO's CPU takes a precision that it lacks, and computes in another.
    if (name == kInferencePrecision && is_float(value))
      check_precision(name, value.as<std::string>(), device);
  }
}

bool one_thread(const ov::AnyMap& properties) {
  const auto threads = properties.find("INFERENCE_NUM_THREADS");
  if (threads != properties.end() && threads->second.as<std::string>() != "0")
    return threads->second.as<std::string>() == "1";
  cpu_set_t cores;
  return ::sched_getaffinity(0, sizeof cores, &cores) == 0 && CPU_COUNT(&cores) == 1;
}

// OpenVINO 2026.4's fused layers of 16 bits divide by zero with one thread, which ends the process.
void avoid_one_thread_fault(ov::AnyMap& properties, const ov::AnyMap& asked,
                            const std::string& device) {
  if (device != "CPU" || properties[kInferencePrecision].as<std::string>() == "f32") return;
  if (asked.count(kInferencePrecision))
    throw ConfigurationError(
        fmt::format("inference_precision '{}' is not possible with one thread for weights in FP16; "
                    "allowed are f32, or two threads and more",
                    asked.at(kInferencePrecision).as<std::string>()),
        {.backend = kBackendName, .device = device});
  log(LogLevel::kWarning,
      "With one thread OpenVINO cannot compute in 16 bits; computing in f32, which is slower");
  raise_to_f32(properties);
}

bool changes_arithmetic(const std::string& name) {
  return name == kInferencePrecision || name == kCachePrecision || name == kDynamicQuantization;
}

}  // namespace

std::vector<std::string> device_precisions(const std::string& device) {
  std::vector<std::string> result;
  for (const auto* precision : {"f32", "bf16", "f16"})
    if (device_computes_in(precision, device)) result.emplace_back(precision);
  return result;
}

ov::AnyMap tuned_options(backend::Precision precision) {
  switch (precision) {
    case backend::Precision::kFP16:
      return {
          {kInferencePrecision, "bf16"}, {kCachePrecision, "bf16"}, {kDynamicQuantization, "0"}};
    case backend::Precision::kINT8:
      return {
          {kInferencePrecision, "bf16"}, {kCachePrecision, "bf16"}, {kDynamicQuantization, "64"}};
    case backend::Precision::kINT4:
      return {{kInferencePrecision, "f32"}, {kCachePrecision, "f32"}, {kDynamicQuantization, "32"}};
    case backend::Precision::kFP32:
      break;
  }
  return {{kInferencePrecision, "f32"}, {kCachePrecision, "f32"}, {kDynamicQuantization, "0"}};
}

bool lowered_by_artifact(const ov::AnyMap& properties, const backend::LoadOptions& options) {
  const auto precision = properties.find(kInferencePrecision);
  return precision != properties.end() && precision->second.as<std::string>() != "f32" &&
         options.inference_precision.empty() && !options.properties.count(kInferencePrecision);
}

void raise_to_f32(ov::AnyMap& properties) {
  properties[kInferencePrecision] = "f32";
  if (properties.count(kCachePrecision)) properties[kCachePrecision] = "f32";
}

ov::AnyMap compile_properties(const ov::Model& model, const std::string& weights,
                              const std::string& device, const backend::LoadOptions& options) {
  const auto known = property_names(device);
  ov::AnyMap asked(options.properties.begin(), options.properties.end());
  check_properties(asked, known, device);
  if (!options.inference_precision.empty()) {
    check_precision("inference_precision", options.inference_precision, device);
    asked.emplace(kInferencePrecision, options.inference_precision);
  }
  if (options.num_threads > 0) asked.emplace("INFERENCE_NUM_THREADS", options.num_threads);
  if (options.num_streams > 0) asked.emplace("NUM_STREAMS", options.num_streams);

  ov::AnyMap result = tuned_options(backend::Precision::kFP32);
  const bool is_exact = weights == backend::precision_name(backend::Precision::kFP32);
  if (!is_exact)
    for (const auto& [name, value] : artifact_options(model)) result[name] = value;
  if (device == "CPU")  // where it was measured
    for (const auto& [name, value] : options.tuned)
      if (!is_exact || !changes_arithmetic(name)) result[name] = value;
  // An artifact may come from a machine that can do more; f32 gives the same or better figures.
  if (!device_computes_in(result[kInferencePrecision].as<std::string>(), device))
    raise_to_f32(result);
  std::erase_if(result, [&](const auto& entry) {
    return std::find(known.begin(), known.end(), entry.first) == known.end();
  });
  for (const auto& [name, value] : asked) result[name] = value;
  if (weights == backend::precision_name(backend::Precision::kFP16) && one_thread(result))
    avoid_one_thread_fault(result, asked, device);
  // Paged attention takes a cache of floats only in the precision that it computes in.
  const auto cache = result.find(kCachePrecision);
  if (!asked.count(kCachePrecision) && cache != result.end() && is_float(cache->second))
    cache->second = result[kInferencePrecision];
  return result;
}

}  // namespace mm_orch::openvino
