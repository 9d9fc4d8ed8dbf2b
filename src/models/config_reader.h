// Typed reading of a config.json: a missing or impossible value is a FileValidationError that names
// the key, what was found and what is allowed.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace mm_orch::models {

class ConfigReader {
 public:
  explicit ConfigReader(const nlohmann::json& config);

  /// An integer in [1, 2^31); `fallback` where the key is absent or null.
  int64_t size(const std::string& key) const;
  int64_t size(const std::string& key, int64_t fallback) const;
  /// size(key) / size(parts).
  /// @throws FileValidationError  it is not a whole number.
  int64_t size_of_part(const std::string& key, const std::string& parts) const;
  /// A finite number.
  double number(const std::string& key, double fallback) const;
  bool flag(const std::string& key, bool fallback) const;
  std::string text(const std::string& key, const std::string& fallback) const;
  /// The value itself; null JSON where the key is absent.
  const nlohmann::json& value(const std::string& key) const;

 private:
  [[noreturn]] void refuse(const std::string& key, const std::string& allowed) const;

  const nlohmann::json& config_;
};

}  // namespace mm_orch::models
