#include "generation/model_draft.h"

#include <algorithm>
#include <chrono>

#include "generation/logit_scan.h"

namespace mm_orch::generation {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kLong = 32;  // steps without guesses, for which a text is not kept
constexpr size_t kFew = 4;     // tokens of the text, that are fed together with a guess

}  // namespace

// A text for which tokens are to be guessed now.
struct ModelDraft::Asked {
  size_t index;
  int64_t count;
  std::vector<int64_t> text;
  std::span<const int64_t> fed{};  // in a step
  int64_t choice = 0;              // the model's, after them
};

void ModelDraft::guess(std::span<const GrowingText> texts, int64_t most) {
  std::vector<Asked> asked;
  for (const auto& text : texts) {
    texts_[text.index].guess.clear();
    const int64_t count = std::min(wanted(text), most);
    if (count <= 0) continue;
    asked.push_back({.index = text.index, .count = count, .text = *text.prompt});
    asked.back().text.insert(asked.back().text.end(), text.new_tokens->begin(),
                             text.new_tokens->end());
  }
  if (asked.empty()) return;
  try {
    draft(std::move(asked));
  } catch (const CancelledError&) {
    for (auto& text : texts_) text.guess.clear();
  } catch (const MuAIError& error) {
    fail(error);
  } catch (const std::bad_alloc&) {
    fail(OutOfMemoryError("the memory is not there"));
  }
}

int64_t ModelDraft::wanted(const GrowingText& text) {
  auto& own = texts_[text.index];
  if (own.ended || text.new_tokens->empty()) return 0;  // the first token shall not wait
  const auto made = static_cast<int64_t>(text.new_tokens->size());
  const auto length = static_cast<int64_t>(text.prompt->size()) + made;
  const int64_t count = std::min(own.pace.next(), config_.max_new_tokens - made - 1);
  return model_.context_length > 0 ? std::min(count, model_.context_length - length) : count;
}

void ModelDraft::judge(size_t index, int64_t right, double plain_s, double check_s) {
  auto& text = texts_[index];
  std::optional<GuessCost> cost;
  if (plain_s > 0.0) cost = {.drafting = text.drafting_s / plain_s, .check = check_s / plain_s};
  text.pace.judge(static_cast<int64_t>(text.guess.size()), right, cost);
  // Others can use its room meanwhile; what the cache still holds later is found there again.
  if (text.pace.pause() >= kLong) close(index);
}

void ModelDraft::end(size_t index) {
  close(index);
  model_.pace->set(texts_[index].pace.for_next_text());
}

void ModelDraft::close(size_t index) {
  if (!session_) return;
  texts_[index].held.clear();
  session_->close_row(index);
  session_->truncate(index, 0);
  if (std::ranges::all_of(texts_, [](const Text& text) { return text.held.empty(); }))
    session_.reset();
}

void ModelDraft::fail(const MuAIError& error) {
  session_.reset();
  for (auto& text : texts_) {
    text.guess.clear();
    text.ended = true;
  }
  model_.failed(error);
}

void ModelDraft::draft(std::vector<Asked> asked) {
  if (!session_) {
    backend::SessionOptions options;
    options.batch = static_cast<int64_t>(texts_.size());
    if (config_.cancel) options.cancelled = [this] { return cancelled(); };
    session_ = model_.model->new_session(options);
  }
  std::erase_if(asked, [this](const Asked& text) { return !forget_wrong(text); });
  if (!catch_up(asked)) return;
  const auto start = Clock::now();
  while (!asked.empty() && !cancelled()) {
    for (auto& text : asked) {
      const auto& own = texts_[text.index];
      text.fed = own.guess.empty() ? std::span(text.text).subspan(own.held.size())
                                   : std::span(own.guess).last(1);
    }
    feed(asked);
    const std::chrono::duration<double> taken = Clock::now() - start;
    for (auto& text : asked) {
      auto& own = texts_[text.index];
      own.guess.push_back(text.choice);
      own.drafting_s = taken.count();
    }
    std::erase_if(asked, [this](const Asked& text) {
      return static_cast<int64_t>(texts_[text.index].guess.size()) == text.count;
    });
  }
}

// False, and the text's guesses end, if the model does not know one of its tokens.
bool ModelDraft::forget_wrong(const Asked& asked) {
  auto& own = texts_[asked.index];
  const std::span text(asked.text);
  const auto wrong = std::ranges::mismatch(own.held, text.first(text.size() - 1)).in1;
  const auto valid = static_cast<size_t>(wrong - own.held.begin());
  own.ended = std::ranges::any_of(text.subspan(valid),
                                  [this](int64_t token) { return token >= model_.vocabulary; });
  if (own.ended) return false;
  if (valid < own.held.size()) {
    session_->truncate(asked.index, static_cast<int64_t>(valid));
    own.held.resize(valid);
  }
  return true;
}

// Reads the texts but for their last tokens; false if that was cancelled.
bool ModelDraft::catch_up(std::vector<Asked>& asked) {
  while (true) {
    std::vector<Asked> behind;
    for (auto& text : asked) {
      const size_t held = texts_[text.index].held.size();
      const size_t missing = text.text.size() - held;
      if (missing <= kFew) continue;
      behind.push_back({.index = text.index, .count = 0, .text = {}});
      behind.back().fed =
          std::span(text.text).subspan(held, std::min<size_t>(kPrefillChunk, missing - 1));
    }
    if (cancelled()) return false;
    if (behind.empty()) return true;
    feed(behind);
  }
}

void ModelDraft::feed(std::vector<Asked>& asked) {
  std::vector<backend::RowTokens> rows;
  for (const auto& text : asked)
    rows.push_back({.row = text.index, .tokens = text.fed, .logits = 1});
  const auto logits = session_->step_rows(rows);
  const size_t width = logits.size() / rows.size();
  for (size_t i = 0; i < asked.size(); ++i) {
    auto& held = texts_[asked[i].index].held;
    held.insert(held.end(), asked[i].fed.begin(), asked[i].fed.end());
    const auto known =
        logits.subspan(i * width, std::min(width, static_cast<size_t>(model_.vocabulary)));
    scan_logits(known, scan_);
    if (!scan_.finite) throw NumericFaultError("The draft model gave NaN or Inf");
    asked[i].choice = first_maximum(known, scan_);
  }
}

}  // namespace mm_orch::generation
