// Typed access to a YAML document that knows where each value stands. A reader walks
// only the keys it is asked for, a fixed number of levels down, so aliases can
// neither multiply nor run in circles; the text's size is limited before it is parsed.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace mm_orch::config {

/// A mapping of the document: its keys are checked against the ones allowed, once.
class MapReader {
 public:
  static constexpr size_t kMostBytes = 256 * 1024;  // of a document

  /// @param path  of the mapping in the document: "openvino"; empty for the document itself.
  /// @throws ConfigurationError  `node` is neither a mapping nor empty.
  MapReader(const YAML::Node& node, std::string origin, std::string path);

  /// The whole document. @throws ConfigurationError  it does not parse or is too large.
  static MapReader document(std::string_view text, const std::string& origin);

  /// @throws ConfigurationError  a key is not among `keys`, or stands twice.
  void allow_only(const std::vector<std::string>& keys) const;

  bool has(const std::string& key) const;
  MapReader map(const std::string& key) const;

  // Each leaves `value` as it is if the key is not there. Environment variables are put in.
  void read(const std::string& key, bool& value) const;
  void read(const std::string& key, int& value, int least, int most) const;
  void read(const std::string& key, std::string& value) const;
  void read_one_of(const std::string& key, std::string& value,
                   const std::vector<std::string>& allowed) const;

  /// Every entry of a mapping of scalars.
  void each(const std::function<void(const std::string& key, const std::string& value)>& use) const;

  /// @throws ConfigurationError  always: "origin:line: path.key: message".
  [[noreturn]] void fail(const std::string& key, const std::string& message) const;

 private:
  YAML::Node find(const std::string& key) const;
  std::string scalar(const std::string& key, const YAML::Node& node, const char* expected) const;
  std::string expanded(const std::string& key, const YAML::Node& node) const;

  YAML::Node node_;
  std::string origin_;
  std::string path_;
};

/// The entry of `known` that `word` is probably a misspelling of; empty if none is near.
std::string nearest(const std::string& word, const std::vector<std::string>& known);

}  // namespace mm_orch::config
