#include "generation/draft_pace.h"

#include <algorithm>

namespace mm_orch::generation {

namespace {

constexpr double kKept = 0.9;    // of what was right and tried, at each guess
constexpr double kNewest = 0.3;  // what the last measurement counts
constexpr double kPays = 1.1;    // less is lost in what is not measured, such as other shapes
constexpr int64_t kShortestPause = 4, kLongestPause = 128;
constexpr int64_t kLookAgain = 64;   // guesses, after which a step without is measured again
constexpr int64_t kProbe = 2;        // tokens guessed after a pause
constexpr double kDoubt = 4.0;       // tokens that what was seen before a pause counts after it
constexpr double kNearlyAll = 0.95;  // of the guesses

}  // namespace

int64_t DraftPace::next() {
  if (pause_ > 0) {
    --pause_;
    return 0;
  }
  return length_;
}

double DraftPace::gain_of(int64_t length, double likely) const {
  double tokens = 1.0, reached = 1.0;
  for (int64_t i = 0; i < length; ++i) tokens += reached *= likely;
  return tokens / (1.0 + static_cast<double>(length) * (token_cost_ + check_cost_));
}

void DraftPace::choose() {
  const double likely = right_ / tried_;
  length_ = 1;
  for (int64_t length = 2; length <= kMost; ++length)
    if (gain_of(length, likely) > gain_of(length_, likely)) length_ = length;
  gain_ = std::max(1.0, gain_of(length_, likely));
}

void DraftPace::judge(int64_t guessed, int64_t right, const std::optional<GuessCost>& cost) {
  const auto count = static_cast<double>(guessed);
  right_ = kKept * right_ + static_cast<double>(right);
  tried_ = kKept * tried_ + static_cast<double>(std::min(right + 1, guessed));
  // The first guess is slower than all others, the second replaces what was assumed.
  if (cost && ++measured_ > 1) {
    const double newest = measured_ > 2 ? kNewest : 1.0;
    token_cost_ += newest * (cost->drafting / count - token_cost_);
    check_cost_ += newest * (std::max(0.0, cost->check - 1.0) / count - check_cost_);
  }
  choose();
  if (gain_ > kPays) {
    next_pause_ = kShortestPause;
    if (++guesses_ % kLookAgain == 0) pause_ = 1;
    return;
  }
  pause_longer();
}

void DraftPace::pause_longer() {
  double best = 0.0;  // if nearly all it guesses were right
  for (int64_t length = 1; length <= kMost; ++length)
    best = std::max(best, gain_of(length, kNearlyAll));
  pause_ = best > kPays ? next_pause_ : kLongestPause;
  next_pause_ = std::min(2 * pause_, kLongestPause);
  length_ = kProbe;
  right_ *= kDoubt / tried_;
  tried_ = kDoubt;
}

DraftPace DraftPace::for_next_text() const {
  DraftPace next = *this;
  next.pause_ = std::max(pause_, kPlain);
  next.right_ *= kDoubt / tried_;
  next.tried_ = kDoubt;
  return next;
}

}  // namespace mm_orch::generation
