#include "generation/beam_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "generation/processors.h"

namespace mm_orch::generation {

namespace {

// Added to scores that must not win, as transformers does.
constexpr float kOutOfRace = -1e9f;

float length_divisor(int64_t length, float penalty) {
  return static_cast<float>(std::pow(static_cast<double>(length), static_cast<double>(penalty)));
}

// Best first; of equal ones, those that came first.
template <class Scored>
void keep_best(std::vector<Scored>& all, size_t count) {
  std::stable_sort(all.begin(), all.end(),
                   [](const Scored& a, const Scored& b) { return a.score > b.score; });
  if (all.size() > count) all.resize(count);
}

}  // namespace

BeamGroup::BeamGroup(const ResolvedConfig& config, const std::vector<int64_t>& prompt)
    : config_(config),
      prompt_(prompt),
      beams_(static_cast<size_t>(config.num_beams)),
      kept_(std::max<size_t>(2, 1 + config.eos_token_ids.size()) * beams_),
      running_(beams_, Beam{.tokens = {}, .score = kOutOfRace}),
      ended_(beams_, Beam{.tokens = {}, .score = kOutOfRace}) {
  running_.front().score = 0;  // the others would only repeat it
}

void BeamGroup::read(size_t beam, std::span<const float> logits) {
  if (beam == 0) continuations_.clear();
  scan_logits(logits, scan_);
  require_finite(scan_, logits, made());
  if (logits.size() * beams_ < kept_) {
    throw InvalidInputError(
        fmt::format("num_beams is {} and there are {} EOS tokens, but the vocabulary has only {} "
                    "tokens; lower num_beams.",
                    beams_, config_.eos_token_ids.size(), logits.size()));
  }
  weigh_all(logits, scan_, 1.0f, weights_);
  const double normalizer = static_cast<double>(scan_.max) + std::log(weights_.total);
  scores_.resize(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    scores_[i] = static_cast<float>(static_cast<double>(logits[i]) - normalizer);
  }
  process(running_[beam], scores_);

  const auto better = [](const Continuation& a, const Continuation& b) {
    return a.score > b.score;
  };
  const float before = running_[beam].score;
  for (size_t i = 0; i < scores_.size(); ++i) {
    const float score = scores_[i] + before;
    const bool full = continuations_.size() == kept_;
    if (full && !(score > continuations_.front().score)) continue;
    if (full) {
      std::pop_heap(continuations_.begin(), continuations_.end(), better);
      continuations_.pop_back();
    }
    continuations_.push_back({score, static_cast<int32_t>(beam), static_cast<int64_t>(i)});
    std::push_heap(continuations_.begin(), continuations_.end(), better);
  }
}

void BeamGroup::process(const Beam& beam, std::span<float> scores) const {
  if (config_.repetition_penalty != 1.0f) {
    std::vector<int64_t> seen = prompt_;
    seen.insert(seen.end(), beam.tokens.begin(), beam.tokens.end());
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    penalize_repetition(scores, seen, config_.repetition_penalty);
  }
  if (made() < config_.min_new_tokens) forbid(scores, config_.eos_token_ids);
}

bool BeamGroup::ends(const Continuation& continuation) const {
  const auto& eos = config_.eos_token_ids;
  return made() + 1 >= config_.max_new_tokens ||
         std::find(eos.begin(), eos.end(), continuation.token) != eos.end();
}

std::vector<BeamGroup::Continuation> BeamGroup::take_continuations() {
  auto best_first = std::move(continuations_);
  continuations_.clear();
  std::sort(best_first.begin(), best_first.end(), [](const Continuation& a, const Continuation& b) {
    return std::tuple(-a.score, a.beam, a.token) < std::tuple(-b.score, b.beam, b.token);
  });
  return best_first;
}

std::vector<int32_t> BeamGroup::advance() {
  const auto continuations = take_continuations();
  keep_ended(continuations);

  auto next = continuations;
  for (Continuation& continuation : next) {
    if (ends(continuation)) continuation.score += kOutOfRace;
  }
  keep_best(next, beams_);
  std::vector<Beam> beams;
  std::vector<int32_t> source;
  for (const Continuation& continuation : next) {
    beams.push_back({running_[static_cast<size_t>(continuation.beam)].tokens, continuation.score});
    beams.back().tokens.push_back(continuation.token);
    source.push_back(continuation.beam);
  }
  std::move(beams.begin(), beams.end(), running_.begin());  // the vectors stay where they are
  judge();
  return source;
}

// Only the best `beams_` may end; what comes after them is there to be followed.
void BeamGroup::keep_ended(std::span<const Continuation> continuations) {
  const float divisor = length_divisor(made() + 1, config_.length_penalty);
  for (const Continuation& continuation : continuations.first(beams_)) {
    if (!ends(continuation)) continue;
    Beam beam{running_[static_cast<size_t>(continuation.beam)].tokens, continuation.score / divisor,
              true};
    beam.tokens.push_back(continuation.token);
    ended_.push_back(std::move(beam));
  }
  keep_best(ended_, beams_);
}

void BeamGroup::judge() {
  const bool all_ended =
      std::all_of(ended_.begin(), ended_.end(), [](const Beam& beam) { return beam.ended; });
  const bool to_the_end =
      config_.early_stopping == EarlyStopping::kNever && config_.length_penalty > 0;
  const float hoped =
      running_.front().score /
      length_divisor(to_the_end ? config_.max_new_tokens : made(), config_.length_penalty);
  const float worst = all_ended ? ended_.back().score : kOutOfRace;
  improvable_ = improvable_ && hoped > worst;
  done_ = !improvable_ || made() >= config_.max_new_tokens ||
          (config_.early_stopping == EarlyStopping::kYes && all_ended);
}

const BeamGroup::Beam& BeamGroup::best() const {
  return ended_.front().ended ? ended_.front() : running_.front();
}

}  // namespace mm_orch::generation
