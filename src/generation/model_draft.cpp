#include "generation/model_draft.h"

#include <algorithm>
#include <chrono>

#include "generation/logit_scan.h"

namespace mm_orch::generation {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kLong = 32;  // steps without guesses, for which the session is not kept
constexpr size_t kFew = 4;     // tokens of the text, that are fed together with a guess

}  // namespace

std::span<const int64_t> ModelDraft::guess(const std::vector<int64_t>& prompt,
                                           const std::vector<int64_t>& new_tokens) {
  guess_.clear();
  if (ended_ || new_tokens.empty()) return {};  // the first token shall not wait
  const auto made = static_cast<int64_t>(new_tokens.size());
  const auto length = static_cast<int64_t>(prompt.size()) + made;
  int64_t count = std::min(pace_.next(), config_.max_new_tokens - made - 1);
  if (model_.context_length > 0) count = std::min(count, model_.context_length - length);
  if (count <= 0) return {};
  std::vector<int64_t> text(prompt);
  text.insert(text.end(), new_tokens.begin(), new_tokens.end());
  try {
    draft(text, count);
  } catch (const CancelledError&) {
    guess_.clear();
  } catch (const MuAIError& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail(OutOfMemoryError("the memory is not there"));
  }
  return guess_;
}

void ModelDraft::judge(int64_t right, double plain_s, double check_s) {
  std::optional<GuessCost> cost;
  if (plain_s > 0.0) cost = {.drafting = drafting_s_ / plain_s, .check = check_s / plain_s};
  pace_.judge(static_cast<int64_t>(guess_.size()), right, cost);
  // Others can use its room meanwhile; what the cache still holds later is found there again.
  if (pace_.pause() >= kLong) close();
}

void ModelDraft::end() {
  close();
  model_.pace->set(pace_.for_next_text());
}

void ModelDraft::close() {
  session_.reset();
  held_.clear();
}

void ModelDraft::fail(const MuAIError& error) {
  guess_.clear();
  close();
  ended_ = true;
  model_.failed(error);
}

void ModelDraft::draft(std::span<const int64_t> text, int64_t count) {
  if (!catch_up(text)) return;
  auto fed = text.subspan(held_.size());
  const auto start = Clock::now();
  while (static_cast<int64_t>(guess_.size()) < count) {
    if (cancelled()) return guess_.clear();
    const int64_t token = feed(fed);
    guess_.push_back(token);
    fed = std::span<const int64_t>(guess_).last(1);
  }
  drafting_s_ = std::chrono::duration<double>(Clock::now() - start).count();
}

// Forgets what was guessed wrong, and reads the text but for its last tokens.
bool ModelDraft::catch_up(std::span<const int64_t> text) {
  const auto wrong = std::ranges::mismatch(held_, text.first(text.size() - 1)).in1;
  const auto valid = static_cast<size_t>(wrong - held_.begin());
  ended_ = std::ranges::any_of(text.subspan(valid),
                               [this](int64_t token) { return token >= model_.vocabulary; });
  if (ended_) return false;
  if (!session_) {
    backend::SessionOptions options;
    if (config_.cancel) options.cancelled = [this] { return cancelled(); };
    session_ = model_.model->new_session(options);
  } else if (valid < held_.size()) {
    session_->truncate(0, static_cast<int64_t>(valid));
    held_.resize(valid);
  }
  while (text.size() - held_.size() > kFew) {
    if (cancelled()) return false;
    const size_t count = std::min<size_t>(kPrefillChunk, text.size() - held_.size() - 1);
    feed(text.subspan(held_.size(), count));
  }
  return true;
}

// The model's choice after them.
int64_t ModelDraft::feed(std::span<const int64_t> tokens) {
  const backend::RowTokens row{.row = 0, .tokens = tokens, .logits = 1};
  const auto logits = session_->step_rows({&row, 1});
  held_.insert(held_.end(), tokens.begin(), tokens.end());
  const auto known = logits.first(std::min(logits.size(), static_cast<size_t>(model_.vocabulary)));
  scan_logits(known, scan_);
  if (!scan_.finite) throw NumericFaultError("The draft model gave NaN or Inf");
  return first_maximum(known, scan_);
}

}  // namespace mm_orch::generation
