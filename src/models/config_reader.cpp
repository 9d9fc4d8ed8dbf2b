#include "models/config_reader.h"

#include <fmt/format.h>

#include <cmath>

#include "mm_orch/errors.h"

namespace mm_orch::models {
namespace {

constexpr int64_t kSizeLimit = int64_t{1} << 31;

}  // namespace

ConfigReader::ConfigReader(const nlohmann::json& config) : config_(config) {
  if (!config.is_object())
    throw FileValidationError("config.json is not a JSON object; one with model_type was expected");
}

const nlohmann::json& ConfigReader::value(const std::string& key) const {
  static const nlohmann::json kNull;
  const auto it = config_.find(key);
  return it == config_.end() ? kNull : *it;
}

void ConfigReader::refuse(const std::string& key, const std::string& allowed) const {
  const auto& found = value(key);
  throw FileValidationError(fmt::format(
      "config.json: {} is {}; allowed: {}", key,
      found.is_null() ? "missing"
                      : found.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace),
      allowed));
}

int64_t ConfigReader::size(const std::string& key) const {
  const auto& found = value(key);
  if (!found.is_number_integer()) refuse(key, "an integer from 1 to 2147483647");
  const auto number = found.get<int64_t>();
  if (number < 1 || number >= kSizeLimit) refuse(key, "an integer from 1 to 2147483647");
  return number;
}

int64_t ConfigReader::size(const std::string& key, int64_t fallback) const {
  return value(key).is_null() ? fallback : size(key);
}

int64_t ConfigReader::size_of_part(const std::string& key, const std::string& parts) const {
  const int64_t whole = size(key), count = size(parts);
  if (whole % count != 0)
    throw FileValidationError(
        fmt::format("config.json: {} {} is not a multiple of {} {}", key, whole, parts, count));
  return whole / count;
}

double ConfigReader::number(const std::string& key, double fallback) const {
  const auto& found = value(key);
  if (found.is_null()) return fallback;
  if (!found.is_number() || !std::isfinite(found.get<double>())) refuse(key, "a finite number");
  return found.get<double>();
}

bool ConfigReader::flag(const std::string& key, bool fallback) const {
  const auto& found = value(key);
  if (found.is_null()) return fallback;
  if (!found.is_boolean()) refuse(key, "true or false");
  return found.get<bool>();
}

std::string ConfigReader::text(const std::string& key, const std::string& fallback) const {
  const auto& found = value(key);
  if (found.is_null()) return fallback;
  if (!found.is_string()) refuse(key, "a string");
  return found.get<std::string>();
}

}  // namespace mm_orch::models
