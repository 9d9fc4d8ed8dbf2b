#include "config/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <vector>

#include "config/yaml_reader.h"
#include "mm_orch/errors.h"
#include "mm_orch/log.h"

namespace mm_orch::config {
namespace {

const std::vector<std::string> kBackends{"pytorch", "openvino"};
const std::vector<std::string> kOpenVINOPrecisions{"f32", "bf16", "f16"};
const std::vector<std::string> kPyTorchPrecisions{"f32", "bf16", "int8"};
constexpr int kMostThreads = 4096;
constexpr const char* kDevicesAllowed =
    "AUTO, CPU, GPU, NPU or cuda, with an index where there are several (GPU.1, cuda:0)";

bool is_device(const std::string& device) {
  static const std::regex form(R"((auto|cpu|gpu|npu|cuda)([.:][0-9]{1,3})?)", std::regex::icase);
  return device.size() < 32 && std::regex_match(device, form);
}

void read_device(const MapReader& section, std::optional<std::string>& device) {
  if (!section.has("device")) return;
  std::string value;
  section.read("device", value);
  if (!is_device(value))
    section.fail("device", fmt::format("found '{}', allowed are {}", value, kDevicesAllowed));
  device = value;
}

OpenVinoConfig read_openvino(const MapReader& section) {
  section.allow_only({"device", "enable_fallback", "cache_dir", "auto_export", "keep_compiled",
                      "num_threads", "num_streams", "inference_precision", "properties",
                      "circuit_breaker"});
  OpenVinoConfig config;
  read_device(section, config.device);
  section.read("enable_fallback", config.enable_fallback);
  section.read("cache_dir", config.cache_dir);
  if (config.cache_dir.empty())
    section.fail("cache_dir", "found '', the path of a folder is allowed");
  section.read("auto_export", config.auto_export);
  section.read("keep_compiled", config.keep_compiled);
  section.read("num_threads", config.num_threads, 0, kMostThreads);
  section.read("num_streams", config.num_streams, 0, kMostThreads);
  section.read_one_of("inference_precision", config.inference_precision, kOpenVINOPrecisions);
  const auto breaker = section.map("circuit_breaker");
  breaker.allow_only({"failures", "retry_after_seconds"});
  breaker.read("failures", config.circuit_breaker.failures, 0, 1000);
  breaker.read("retry_after_seconds", config.circuit_breaker.retry_after_seconds, 1, 86400);
  section.map("properties").each([&](const std::string& key, const std::string& value) {
    config.properties[key] = value;
  });
  return config;
}

PyTorchConfig read_pytorch(const MapReader& section) {
  section.allow_only({"device", "num_threads", "inference_precision"});
  PyTorchConfig config;
  read_device(section, config.device);
  section.read("num_threads", config.num_threads, 0, kMostThreads);
  section.read_one_of("inference_precision", config.inference_precision, kPyTorchPrecisions);
  return config;
}

SchedulerConfig read_scheduler(const MapReader& section) {
  section.allow_only(
      {"kv_cache_mb", "max_sequences", "step_tokens", "max_waiting", "wait_timeout_seconds"});
  SchedulerConfig config;
  section.read("kv_cache_mb", config.kv_cache_mb, 1, 1 << 20);
  section.read("max_sequences", config.max_sequences, 1, 1024);
  section.read("step_tokens", config.step_tokens, 1, 8192);
  section.read("max_waiting", config.max_waiting, 1, 1 << 20);
  section.read("wait_timeout_seconds", config.wait_timeout_seconds, 1, 86400);
  return config;
}

std::map<std::string, std::string> read_overrides(const MapReader& section) {
  std::map<std::string, std::string> overrides;
  section.each([&](const std::string& model, const std::string& backend) {
    if (std::find(kBackends.begin(), kBackends.end(), backend) == kBackends.end())
      section.fail(model, fmt::format("found '{}', allowed are pytorch, openvino", backend));
    overrides[model] = backend;
  });
  return overrides;
}

}  // namespace

Config parse_config(std::string_view text, const std::string& origin) {
  const auto document = MapReader::document(text, origin);
  const bool outer = document.has("backend");
  const auto backend = outer ? document.map("backend") : document;
  if (outer) {
    document.allow_only({"backend", "model_overrides", "scheduler", "statistics"});
    backend.allow_only({"default", "openvino", "pytorch"});
  } else {
    document.allow_only(
        {"default", "openvino", "pytorch", "model_overrides", "scheduler", "statistics"});
  }
  Config config;
  if (backend.has("default")) {
    std::string name;
    backend.read_one_of("default", name, kBackends);
    config.default_backend = name;
  }
  config.openvino = read_openvino(backend.map("openvino"));
  config.pytorch = read_pytorch(backend.map("pytorch"));
  config.scheduler = read_scheduler(document.map("scheduler"));
  const auto statistics = document.map("statistics");
  statistics.allow_only({"keep_prompts", "log_interval_seconds"});
  statistics.read("keep_prompts", config.statistics.keep_prompts);
  statistics.read("log_interval_seconds", config.statistics.log_interval_seconds, 0, 86400);
  config.model_overrides = read_overrides(document.map("model_overrides"));
  return config;
}

Config load_config_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    log(LogLevel::kWarning,
        fmt::format("Configuration file {} not found; using the defaults (PyTorch)", path));
    return {};
  }
  const auto size = std::filesystem::file_size(path, ignored);  // fails for what is no file
  std::ifstream file(path, std::ios::binary);
  if (ignored || !file || size > MapReader::kMostBytes)
    throw ConfigurationError(
        fmt::format("{}: cannot be read; a YAML file of at most {} bytes is expected", path,
                    MapReader::kMostBytes),
        ErrorContext{.path = path});
  std::string text(size, '\0');
  file.read(text.data(), static_cast<std::streamsize>(size));
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_config(text, path);
}

void check_backend_name(const std::string& backend, const std::string& what, ErrorCode code) {
  if (std::find(kBackends.begin(), kBackends.end(), backend) != kBackends.end()) return;
  const auto near = nearest(backend, kBackends);
  throw_error(code, fmt::format("{}: found '{}', allowed are pytorch, openvino{}", what, backend,
                                near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
}

void check_device_name(const std::string& device, const std::string& what, ErrorCode code) {
  if (!is_device(device))
    throw_error(code, fmt::format("{}: found '{}', allowed are {}", what, device, kDevicesAllowed));
}

}  // namespace mm_orch::config
