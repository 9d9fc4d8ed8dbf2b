#include "generation/stop_matcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "mm_orch/errors.h"
#include "text/utf8.h"

namespace mm_orch::generation {

StopStrings::StopStrings(const std::vector<std::string>& strings) : nodes_(1) {
  for (size_t index = 0; index < strings.size(); ++index) {
    const std::string& string = strings[index];
    if (string.empty()) {
      throw InvalidInputError("stop_strings holds an empty string; leave it out.");
    }
    // So that text is never cut or held back in the middle of a character.
    if (text::first_invalid_utf8(string)) {
      throw InvalidInputError(
          fmt::format("Stop string {} is not valid UTF-8; correct or leave it out.", index));
    }
    State state = kStart;
    for (unsigned char byte : string) {
      const auto next_state = static_cast<State>(nodes_.size());
      const auto [child, added] = nodes_[state].children.try_emplace(byte, next_state);
      const size_t depth = nodes_[state].depth + 1;
      state = child->second;
      if (added) nodes_.push_back({{}, kStart, depth, 0});
    }
    nodes_[state].match = string.size();
  }
  link_failures();
}

// Breadth first, so that the failure link of a node is complete before its children ask for it.
void StopStrings::link_failures() {
  std::deque<State> queue = {kStart};
  while (!queue.empty()) {
    const State state = queue.front();
    queue.pop_front();
    for (const auto& [byte, child] : nodes_[state].children) {
      Node& node = nodes_[child];
      node.fail = state == kStart ? kStart : next(nodes_[state].fail, byte);
      node.match = std::max(node.match, nodes_[node.fail].match);
      queue.push_back(child);
    }
  }
}

StopStrings::State StopStrings::next(State state, unsigned char byte) const {
  while (true) {
    const auto& children = nodes_[state].children;
    if (const auto child = children.find(byte); child != children.end()) return child->second;
    if (state == kStart) return kStart;
    state = nodes_[state].fail;
  }
}

std::string StopMatcher::push(std::string_view text) {
  if (matched_) return {};
  for (size_t i = 0; i < text.size(); ++i) {
    state_ = strings_.next(state_, static_cast<unsigned char>(text[i]));
    if (const size_t length = strings_.match(state_); length > 0) {
      matched_ = true;
      std::string before = std::exchange(held_, {});
      before.append(text.substr(0, i + 1));
      before.resize(before.size() - length);
      return before;
    }
  }
  held_.append(text);
  std::string certain = held_.substr(0, held_.size() - strings_.depth(state_));
  held_.erase(0, certain.size());
  return certain;
}

std::string StopMatcher::flush() { return std::exchange(held_, {}); }

}  // namespace mm_orch::generation
