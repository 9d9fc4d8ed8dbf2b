// What the reports that lie beside an exported model have in common.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

namespace mm_orch::exporter {

/// null: empty.
template <class T>
nlohmann::ordered_json optional_json(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
}

template <class T>
std::optional<T> optional_value(const nlohmann::ordered_json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<T>();
}

/// @throws std::invalid_argument  the report is of another version.
inline void require_version(const nlohmann::ordered_json& report, int version) {
  if (report.at("version").get<int>() != version)
    throw std::invalid_argument("it is of another version");
}

/// As it is written to the file.
inline std::string report_text(const nlohmann::ordered_json& report) {
  constexpr int kIndent = 2;
  return report.dump(kIndent, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace mm_orch::exporter
