// Finds stop strings in text that arrives in pieces. All stop strings are followed at
// once by an Aho-Corasick automaton, whose depth is the length of the longest end of the
// text that could still become a stop string: exactly what must be held back.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch::generation {

/// Built once per request, shared by its sequences. Source: Aho and Corasick 1975.
class MM_ORCH_EXPORT StopStrings {
 public:
  /// @throws InvalidInputError  a stop string is empty or not valid UTF-8.
  explicit StopStrings(const std::vector<std::string>& strings);

  using State = int32_t;
  static constexpr State kStart = 0;

  State next(State state, unsigned char byte) const;
  /// Length of the longest suffix of the text that begins a stop string.
  size_t depth(State state) const { return nodes_[state].depth; }
  /// Length of the longest stop string that ends here, 0 if none does.
  size_t match(State state) const { return nodes_[state].match; }

 private:
  struct Node {
    std::map<unsigned char, State> children;
    State fail = kStart;
    size_t depth = 0;
    size_t match = 0;
  };
  void link_failures();

  std::vector<Node> nodes_;
};

class MM_ORCH_EXPORT StopMatcher {
 public:
  /// @param strings  kept by reference; outlives the matcher.
  explicit StopMatcher(const StopStrings& strings) : strings_(strings) {}

  /// Adds text and returns what no stop string can remove any more. At the first byte that
  /// completes a stop string, `matched` becomes true, and that string and all after it are dropped.
  std::string push(std::string_view text);
  /// What is held back; empty after a match.
  std::string flush();
  bool matched() const { return matched_; }

 private:
  const StopStrings& strings_;
  StopStrings::State state_ = StopStrings::kStart;
  std::string held_;
  bool matched_ = false;
};

}  // namespace mm_orch::generation
