#include "config/yaml_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

#include "config/variables.h"
#include "mm_orch/errors.h"

namespace mm_orch::config {
namespace {

constexpr size_t kMostShown = 60;  // characters of a wrong value in a message

std::string quoted(const std::string& text) {
  return fmt::format("'{}'", text.size() > kMostShown ? text.substr(0, kMostShown) + "..." : text);
}

std::string shown(const YAML::Node& node) {
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  if (node.IsNull()) return "nothing";
  return quoted(node.Scalar());
}

// With what its variables gave.
std::string shown(const YAML::Node& node, const std::string& expanded) {
  if (expanded == node.Scalar()) return shown(node);
  return fmt::format("{} (from {})", quoted(expanded), quoted(node.Scalar()));
}

[[noreturn]] void fail_at(const std::string& origin, const YAML::Mark& mark, const std::string& key,
                          const std::string& message) {
  const auto line = mark.is_null() ? std::string() : fmt::format(":{}", mark.line + 1);
  throw ConfigurationError(
      fmt::format("{}{}: {}{}{}", origin, line, key, key.empty() ? "" : ": ", message),
      ErrorContext{.path = origin});
}

size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({change, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  size_t least = word.size() / 3 + 2;
  for (const auto& candidate : known) {
    if (candidate.size() > word.size() + least || word.size() > candidate.size() + least) continue;
    if (const size_t distance = edit_distance(word, candidate); distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

MapReader::MapReader(const YAML::Node& node, std::string origin, std::string path)
    : node_(node), origin_(std::move(origin)), path_(std::move(path)) {
  if (node_.IsDefined() && !node_.IsMap() && !node_.IsNull())
    fail_at(origin_, node_.Mark(), path_,
            fmt::format("found {}, a mapping is allowed here", shown(node_)));
}

MapReader MapReader::document(std::string_view text, const std::string& origin) {
  if (text.size() > kMostBytes)
    fail_at(origin, YAML::Mark::null_mark(), "",
            fmt::format("the configuration has {} bytes, at most {} are allowed", text.size(),
                        kMostBytes));
  try {
    const auto documents = YAML::LoadAll(std::string(text));
    if (documents.size() > 1)
      fail_at(origin, documents[1].Mark(), "",
              fmt::format("found {} YAML documents, one is allowed", documents.size()));
    return MapReader(documents.empty() ? YAML::Node() : documents[0], origin, "");
  } catch (const YAML::Exception& error) {
    fail_at(origin, error.mark, "", "not valid YAML: " + error.msg);
  }
}

void MapReader::fail(const std::string& key, const std::string& message) const {
  const YAML::Node node = find(key);
  fail_at(origin_, node.IsDefined() ? node.Mark() : node_.Mark(),
          path_.empty() ? key : path_ + "." + key, message);
}

YAML::Node MapReader::find(const std::string& key) const {
  if (node_.IsMap())
    for (const auto& entry : node_)
      if (entry.first.IsScalar() && entry.first.Scalar() == key) return entry.second;
  return YAML::Node(YAML::NodeType::Undefined);
}

void MapReader::allow_only(const std::vector<std::string>& keys) const {
  if (!node_.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    const auto where = [&](const std::string& key) {
      return path_.empty() ? key : path_ + "." + key;
    };
    if (!entry.first.IsScalar())
      fail_at(origin_, entry.first.Mark(), path_,
              fmt::format("found {} as a key, allowed are {}", shown(entry.first),
                          fmt::join(keys, ", ")));
    const std::string& key = entry.first.Scalar();
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      const auto near = nearest(key, keys);
      fail_at(origin_, entry.first.Mark(), where(key.substr(0, kMostShown)),
              fmt::format("unknown key{}; allowed are {}",
                          near.empty() ? "" : fmt::format(", did you mean '{}'?", near),
                          fmt::join(keys, ", ")));
    }
    if (!seen.insert(key).second)
      fail_at(origin_, entry.first.Mark(), where(key), "the key stands here a second time");
  }
}

bool MapReader::has(const std::string& key) const { return find(key).IsDefined(); }

MapReader MapReader::map(const std::string& key) const {
  return MapReader(find(key), origin_, path_.empty() ? key : path_ + "." + key);
}

std::string MapReader::scalar(const std::string& key, const YAML::Node& node,
                              const char* expected) const {
  if (!node.IsScalar()) fail(key, fmt::format("found {}, {} is allowed", shown(node), expected));
  return expanded(key, node);
}

std::string MapReader::expanded(const std::string& key, const YAML::Node& node) const {
  auto [text, problem] = expand_variables(node.Scalar());
  if (!problem.empty()) fail(key, problem);
  return text;
}

void MapReader::read(const std::string& key, bool& value) const {
  const auto node = find(key);
  if (!node.IsDefined()) return;
  const auto text = scalar(key, node, "true or false");
  const bool is_text = node.Tag() == "!" && text == node.Scalar();
  if (is_text || !YAML::convert<bool>::decode(YAML::Node(text), value))
    fail(key, fmt::format("found {}, true or false is allowed", shown(node, text)));
}

void MapReader::read(const std::string& key, int& value, int least, int most) const {
  const auto node = find(key);
  if (!node.IsDefined()) return;
  const auto expected = fmt::format("a whole number from {} to {}", least, most);
  const auto text = scalar(key, node, expected.c_str());
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    fail(key, fmt::format("found {}, {} is allowed", shown(node, text), expected));
  value = number;
}

void MapReader::read(const std::string& key, std::string& value) const {
  const auto node = find(key);
  if (node.IsDefined()) value = scalar(key, node, "a text");
}

void MapReader::read_one_of(const std::string& key, std::string& value,
                            const std::vector<std::string>& allowed) const {
  const auto node = find(key);
  if (!node.IsDefined()) return;
  const auto expected = fmt::format("one of {}", fmt::join(allowed, ", "));
  const auto text = scalar(key, node, expected.c_str());
  if (std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
    const auto near = nearest(text, allowed);
    fail(key, fmt::format("found {}, allowed are {}{}", shown(node, text), fmt::join(allowed, ", "),
                          near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
  }
  value = text;
}

void MapReader::each(
    const std::function<void(const std::string& key, const std::string& value)>& use) const {
  if (!node_.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar() || !entry.second.IsScalar())
      fail_at(origin_, entry.first.Mark(), path_,
              fmt::format("found {}: {}, a text for each key is allowed", shown(entry.first),
                          shown(entry.second)));
    if (!seen.insert(entry.first.Scalar()).second)
      fail(entry.first.Scalar(), "the key stands here a second time");
    use(entry.first.Scalar(), expanded(entry.first.Scalar(), entry.second));
  }
}

}  // namespace mm_orch::config
