#include "weights/checked_json.h"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "base/mapped_file.h"
#include "mm_orch/errors.h"

namespace mm_orch::weights {
namespace {

constexpr int kMaximumDepth = 64;
constexpr size_t kMaximumJsonBytes = size_t{256} << 20;

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::filesystem::path& path,
                          DuplicateKeys duplicates) {
  using nlohmann::json;
  const ErrorContext context{.path = path.string()};
  std::vector<std::set<std::string>> keys;  // of each open object
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaximumDepth)
      throw FileValidationError(
          fmt::format("{}: JSON nested deeper than {} levels", path.string(), kMaximumDepth),
          context);
    if (duplicates == DuplicateKeys::kLastWins) return true;
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second)
        throw FileValidationError(
            fmt::format("{}: {} occurs twice in one JSON object", path.string(), shown(key)),
            context);
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::parse_error& error) {
    throw FileValidationError(
        fmt::format("{}: no valid JSON (at byte {} of {})", path.string(), error.byte, text.size()),
        context);
  } catch (const json::exception&) {
    throw FileValidationError(
        fmt::format("{}: JSON with a number that is out of range", path.string()), context);
  }
}

nlohmann::json read_json_object(const std::filesystem::path& path, DuplicateKeys duplicates) {
  const auto file = MappedFile::open(path);
  const auto bytes = file->bytes();
  const ErrorContext context{.path = path.string()};
  if (bytes.size() > kMaximumJsonBytes)
    throw FileValidationError(fmt::format("{} has {} bytes; a JSON file of a model may have {}",
                                          path.string(), bytes.size(), kMaximumJsonBytes),
                              context);
  auto value =
      parse_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path, duplicates);
  if (!value.is_object())
    throw FileValidationError(
        fmt::format("{} holds a JSON {}; an object was expected", path.string(), value.type_name()),
        context);
  return value;
}

nlohmann::json read_optional_json_object(const std::filesystem::path& path) {
  return std::filesystem::exists(path) ? read_json_object(path) : nlohmann::json::object();
}

std::string shown(std::string_view name) {
  constexpr size_t kMaximumShown = 96;
  std::string text = "'";
  for (const char c : name.substr(0, kMaximumShown)) {
    if (c >= ' ' && c <= '~')
      text += c;
    else
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  if (name.size() > kMaximumShown) text += "...";
  return text + "'";
}

}  // namespace mm_orch::weights
