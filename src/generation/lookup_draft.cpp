#include "generation/lookup_draft.h"

#include <algorithm>
#include <utility>

namespace mm_orch::generation {

namespace {

// What is assumed before anything is seen: of tokens after matches of 1, 2, ... tokens, as if
// kDoubt tokens had been.
constexpr std::array kRight{0.3, 0.45, 0.6, 0.75, 0.85, 0.9};
constexpr double kDoubt = 3.0;

constexpr double kKept = 0.9;   // of what was right and tried, at each token
constexpr double kPays = 1.03;  // less is lost in what is not measured
// Where the gain is one text's and others wait for it; what they guess is not counted as a gain.
constexpr double kPaysAll = 1.15;
constexpr int64_t kPlaces = 64;  // looked at for the longest match

}  // namespace

LookupDraft::LookupDraft() {
  static_assert(kRight.size() == kLongestMatch);
  for (size_t i = 0; i < odds_.size(); ++i) odds_[i] = {kRight[i] * kDoubt, kDoubt};
}

void LookupDraft::learn(std::span<const int64_t> tokens) {
  for (const int64_t token : tokens) {
    const auto place = static_cast<int64_t>(history_.size());
    const auto [entry, is_new] = latest_.try_emplace(token, place);
    earlier_.push_back(is_new ? -1 : std::exchange(entry->second, place));
    history_.push_back(token);
  }
}

// The tokens that came since there were `before`, against what followed the match then.
void LookupDraft::score(int64_t before) {
  if (match_.length == 0) return;
  const auto size = static_cast<int64_t>(history_.size());
  size_t known = static_cast<size_t>(match_.length - 1);
  for (int64_t i = 0; before + i < size && match_.next + i < before; ++i) {
    const bool right = history_[match_.next + i] == history_[before + i];
    odds_[known] = {kKept * odds_[known].right + (right ? 1.0 : 0.0),
                    kKept * odds_[known].tried + 1.0};
    if (!right) return;
    known = std::min(known + 1, odds_.size() - 1);
  }
}

// The latest of the longest.
LookupDraft::Match LookupDraft::find() const {
  const int64_t last = static_cast<int64_t>(history_.size()) - 1;
  Match best;
  int64_t place = last < 0 ? -1 : earlier_[last];
  for (int64_t looked = 0; place >= 0 && looked < kPlaces && best.length < kLongestMatch;
       ++looked, place = earlier_[place]) {
    int64_t length = 1;
    while (length < kLongestMatch && length <= place &&
           history_[place - length] == history_[last - length])
      ++length;
    if (length > best.length) best = {length, place + 1};
  }
  return best;
}

int64_t LookupDraft::best_length(const GuessRoom& room, double least) const {
  const int64_t there = std::min(static_cast<int64_t>(history_.size()) - match_.next, room.most);
  const auto texts = static_cast<double>(room.together);
  double best = (room.together > 1 ? kPaysAll : kPays) * least, tokens = texts, reached = 1.0;
  int64_t best_length = 0, length = 0;
  auto known = static_cast<size_t>(match_.length - 1);
  for (const int64_t next : kLengths) {
    if (length >= there) break;
    for (; length < std::min(next, there); ++length) {
      tokens += reached *= odds_[known].right / odds_[known].tried;
      known = std::min(known + 1, odds_.size() - 1);
    }
    const double gain = tokens / (texts * room.costs.ratio(room.tokens + length, room.tokens));
    if (gain <= best) continue;
    best = gain;
    best_length = length;
  }
  return best_length;
}

std::span<const int64_t> LookupDraft::guess(std::span<const int64_t> prompt,
                                            std::span<const int64_t> new_tokens,
                                            const GuessRoom& room, double least) {
  const size_t before = history_.size();
  if (before < prompt.size()) learn(prompt.subspan(before));
  learn(new_tokens.subspan(history_.size() - prompt.size()));
  score(static_cast<int64_t>(before));
  match_ = find();
  guess_.clear();
  if (match_.length == 0) return {};
  const auto first = history_.begin() + match_.next;
  guess_.assign(first, first + best_length(room, least));
  return guess_;
}

}  // namespace mm_orch::generation
