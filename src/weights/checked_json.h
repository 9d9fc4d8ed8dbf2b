// JSON of model files, which may be damaged or hostile: parsed with a bound on its
// depth, and names from files made fit for an error message.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace mm_orch::weights {

enum class DuplicateKeys { kLastWins, kRefused };

/// @param path  the file, for the error.
/// @throws FileValidationError  no valid JSON, nested deeper than 64, or a key twice in one object
///                              where that is refused.
nlohmann::json parse_json(std::string_view text, const std::filesystem::path& path,
                          DuplicateKeys duplicates = DuplicateKeys::kLastWins);

/// The JSON object in a file.
/// @throws FileValidationError  also if it is no object or larger than 256 MiB.
nlohmann::json read_json_object(const std::filesystem::path& path,
                                DuplicateKeys duplicates = DuplicateKeys::kLastWins);

/// The same; an empty object if there is no such file.
nlohmann::json read_optional_json_object(const std::filesystem::path& path);

/// A name from a file in quotes, shortened, bytes other than printable ASCII escaped.
std::string shown(std::string_view name);

}  // namespace mm_orch::weights
