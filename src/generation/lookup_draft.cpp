#include "generation/lookup_draft.h"

#include <algorithm>
#include <utility>

namespace mm_orch::generation {

namespace {

// What is assumed before anything is seen: of tokens after matches of 1, 2, ... tokens, as if
// kDoubt tokens had been; and of a guessed token, to check it.
constexpr std::array kRight{0.3, 0.45, 0.6, 0.75, 0.85, 0.9};
constexpr double kDoubt = 3.0;
constexpr double kCheck = 0.06;

constexpr double kKept = 0.9;     // of what was right and tried, at each token
constexpr double kNewest = 0.3;   // what the last measurement counts at least
constexpr double kForget = 0.02;  // of what was measured, at each guess that is not made
constexpr double kPays = 1.03;    // less is lost in what is not measured
constexpr int64_t kPlaces = 64;   // looked at for the longest match

double assumed_cost(int64_t guessed) { return 1.0 + kCheck * static_cast<double>(guessed); }

}  // namespace

LookupDraft::LookupDraft() {
  static_assert(kRight.size() == kLongestMatch);
  for (size_t i = 0; i < odds_.size(); ++i) odds_[i] = {kRight[i] * kDoubt, kDoubt};
  for (size_t i = 0; i < costs_.size(); ++i) costs_[i] = {assumed_cost(kLengths[i])};
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
  double best = kPays * least, tokens = texts, reached = 1.0;
  int64_t best_length = 0, length = 0;
  auto known = static_cast<size_t>(match_.length - 1);
  for (size_t i = 0; i < kLengths.size() && length < there; ++i) {
    for (; length < std::min(kLengths[i], there); ++length) {
      tokens += reached *= odds_[known].right / odds_[known].tried;
      known = std::min(known + 1, odds_.size() - 1);
    }
    const double gain = tokens / (texts * costs_[i].steps);
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
  if (guess_.empty())
    for (size_t i = 0; i < costs_.size(); ++i)
      costs_[i].steps += kForget * (assumed_cost(kLengths[i]) - costs_[i].steps);
  return guess_;
}

void LookupDraft::judge(double cost) {
  const auto length = std::ranges::lower_bound(kLengths, static_cast<int64_t>(guess_.size()));
  Cost& known = costs_[static_cast<size_t>(length - kLengths.begin())];
  // The first step of a shape is slower than all others.
  if (++known.measured == 1) return;
  const double newest = std::max(kNewest, 1.0 / static_cast<double>(known.measured - 1));
  known.steps += newest * (cost - known.steps);
}

}  // namespace mm_orch::generation
