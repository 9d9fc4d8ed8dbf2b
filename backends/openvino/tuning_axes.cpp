#include "tuning_axes.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "compile_options.h"

namespace mm_orch::openvino {
namespace {

using Choice = std::map<std::string, std::string>;

bool says_one(const char* file) {
  std::ifstream stream(file);
  return stream.get() == '1';
}

// Threads, and where they run.
std::vector<Choice> placements() {
  std::vector<Choice> choices = {{{"ENABLE_CPU_PINNING", "NO"}}};
  if (says_one("/sys/devices/system/cpu/smt/active"))
    choices.push_back({{"ENABLE_HYPER_THREADING", "YES"}});
  std::error_code ignored;
  if (std::filesystem::exists("/sys/devices/cpu_atom", ignored))  // cores of two kinds
    for (const char* cores : {"PCORE_ONLY", "ANY_CORE"})
      choices.push_back({{"SCHEDULING_CORE_TYPE", cores}});
  // Memory is often busy before all cores are.
  if (const unsigned cores = std::thread::hardware_concurrency(); cores >= 4)
    choices.push_back({{"INFERENCE_NUM_THREADS", std::to_string(cores / 2)}});
  return choices;
}

Choice arithmetic(const std::string& precision, const std::string& group) {
  return {{kInferencePrecision, precision},
          {kCachePrecision, precision},
          {kDynamicQuantization, group}};
}

std::vector<Choice> arithmetics(bool compressed) {
  auto precisions = device_precisions("CPU");
  if (std::ranges::find(precisions, "bf16") != precisions.end()) std::erase(precisions, "f16");
  std::vector<Choice> choices;
  for (const auto& precision : precisions) {
    choices.push_back(arithmetic(precision, "0"));
    if (!compressed || precision != "f32") continue;
    for (const char* group : {"64", "32"}) choices.push_back(arithmetic(precision, group));
  }
  return choices;
}

// Activations in 16 bits are not quantised: their group does nothing.
bool is_own(const Choice& choice, const ov::AnyMap& own) {
  const auto precision = choice.find(kInferencePrecision);
  const bool in_16_bits = precision != choice.end() && precision->second != "f32";
  for (const auto& [name, value] : choice) {
    if (in_16_bits && name == kDynamicQuantization) continue;
    const auto entry = own.find(name);
    if (entry == own.end() || entry->second.as<std::string>() != value) return false;
  }
  return true;
}

}  // namespace

std::vector<backend::TuningAxis> tuning_axes(const std::string& weights, const ov::AnyMap& own) {
  std::vector<backend::TuningAxis> axes;
  if (weights != backend::precision_name(backend::Precision::kFP32)) {
    axes.push_back({.choices = arithmetics(weights.starts_with("INT")), .changes_results = true});
    axes.push_back({.choices = {{{kCachePrecision, "u8"}}}, .changes_results = true});
  }
  axes.push_back({.choices = placements(), .changes_results = false});
  for (auto& axis : axes)
    std::erase_if(axis.choices, [&](const Choice& choice) { return is_own(choice, own); });
  return axes;
}

}  // namespace mm_orch::openvino
