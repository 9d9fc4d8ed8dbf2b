#include "generation/token_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace mm_orch::generation {

namespace {

// Fed where a row has no token of its own: before its prompt and after its end. Any id will do,
// since nothing of those positions is read.
constexpr int64_t kPadToken = 0;

}  // namespace

bool TokenFeed::step(const Read& read) {
  if (!session_) session_ = sessions_.open(layout());
  const auto recover = [this](const MuAIError& error) {
    session_.reset();
    session_ = sessions_.recover(error, layout());
  };
  while (true) {
    try {
      return feed(read);
    } catch (const BackendError& error) {
      recover(error);
    } catch (const OutOfMemoryError& error) {
      recover(error);
    }
  }
}

int64_t TokenFeed::length(const Row& row) const {
  return static_cast<int64_t>(row.prompt->size() + row.new_tokens->size());
}

int64_t TokenFeed::width() const {
  int64_t columns = 0;
  for (size_t i = 0; i < rows_.size(); ++i) {
    columns = std::max(columns, padding_[i] + length(rows_[i]));
  }
  return columns;
}

backend::SessionOptions TokenFeed::layout() {
  rows_ = arrange_();
  padding_.assign(rows_.size(), 0);
  columns_fed_ = 0;
  fed_.assign(rows_.size(), 0);
  guessed_.assign(rows_.size(), {});
  const int64_t columns = width();
  backend::SessionOptions options;
  options.batch = static_cast<int64_t>(rows_.size());
  for (size_t i = 0; i < rows_.size(); ++i) {
    padding_[i] = columns - length(rows_[i]);
    if (!rows_[i].source.empty()) options.sources.push_back(rows_[i].source);
  }
  if (std::any_of(padding_.begin(), padding_.end(), [](int64_t padding) { return padding > 0; })) {
    options.padding = padding_;
  }
  const auto made = static_cast<int64_t>(rows_.front().new_tokens->size());
  options.capacity = columns + config_.max_new_tokens - made - 1;
  if (config_.cancel) options.cancelled = [this] { return cancelled(); };
  return options;
}

bool TokenFeed::feed(const Read& read) {
  if (const auto source = std::exchange(source_, {}); !source.empty()) session_->reorder(source);
  if (session_->ragged()) return feed_rows(read);
  const int64_t columns_wanted = width();
  std::span<const float> logits;
  while (columns_fed_ < columns_wanted) {
    if (cancelled()) return false;
    const int64_t count = std::min(kPrefillChunk, columns_wanted - columns_fed_);
    logits = session_->step(columns(columns_fed_, count), backend::LogitsOf::kLastToken);
    columns_fed_ += count;
  }
  if (logits.empty() || logits.size() % rows_.size() != 0) {
    throw InferenceError(
        fmt::format("The backend gave {} logits for {} sequences.", logits.size(), rows_.size()));
  }
  const size_t vocabulary = logits.size() / rows_.size();
  for (size_t i = 0; i < rows_.size(); ++i)
    read(i, {logits.subspan(i * vocabulary, vocabulary), {}});
  return true;
}

int64_t TokenFeed::token_at(size_t row, int64_t position) const {
  const auto& prompt = *rows_[row].prompt;
  const auto index = static_cast<size_t>(position);
  return index < prompt.size() ? prompt[index] : (*rows_[row].new_tokens)[index - prompt.size()];
}

void TokenFeed::forget_wrong_guess(size_t row) {
  auto& guess = guessed_[row];
  if (guess.empty()) return;
  int64_t valid = fed_[row] - static_cast<int64_t>(guess.size());
  for (const int64_t token : guess) {
    if (valid >= length(rows_[row]) || token_at(row, valid) != token) break;
    ++valid;
  }
  session_->truncate(row, valid);
  fed_[row] = valid;
  guess.clear();
}

// A guess that made the step compute otherwise could change a token. Where so many texts share it
// that it does anyway, that is no reason.
GuessRoom TokenFeed::room_for_guesses(std::span<const size_t> rows) const {
  const auto outlook = session_->outlook();
  GuessRoom room{.together = outlook.sharers * static_cast<int64_t>(rows_.size()),
                 .tokens = outlook.others + static_cast<int64_t>(rows.size()),
                 .costs = outlook.costs};
  const int64_t alike = session_->alike_tokens();
  if (alike == 0 || room.together > alike) return room;
  const bool all_decode =
      std::ranges::all_of(rows, [this](size_t row) { return length(rows_[row]) - fed_[row] == 1; });
  room.most = all_decode ? std::min(room.most, alike / room.together - 1) : 0;
  return room;
}

void TokenFeed::guess(std::span<const size_t> rows) {
  if (!guess_) return;
  const auto guesses = guess_(rows, room_for_guesses(rows));
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto made = static_cast<int64_t>(rows_[rows[i]].new_tokens->size());
    const auto room = static_cast<size_t>(std::max<int64_t>(0, config_.max_new_tokens - made - 1));
    const auto used = guesses[i].first(std::min(guesses[i].size(), room));
    guessed_[rows[i]].assign(used.begin(), used.end());
  }
}

void TokenFeed::add_row(size_t row, std::vector<backend::RowTokens>& steps) {
  for (int64_t position = fed_[row]; position < length(rows_[row]); ++position)
    tokens_.push_back(token_at(row, position));
  tokens_.insert(tokens_.end(), guessed_[row].begin(), guessed_[row].end());
  steps.push_back(
      {.row = row, .tokens = {}, .logits = 1 + static_cast<int64_t>(guessed_[row].size())});
}

bool TokenFeed::feed_rows(const Read& read) {
  std::vector<size_t> running;
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].done && rows_[i].done()) {
      session_->close_row(i);
      continue;
    }
    forget_wrong_guess(i);
    running.push_back(i);
  }
  guess(running);
  if (cancelled()) return false;  // perhaps while a guess was made
  std::vector<backend::RowTokens> steps;
  std::vector<size_t> begins;
  tokens_.clear();
  for (const size_t row : running) {
    begins.push_back(tokens_.size());
    add_row(row, steps);
  }
  begins.push_back(tokens_.size());
  for (size_t i = 0; i < steps.size(); ++i)
    steps[i].tokens = std::span(tokens_).subspan(begins[i], begins[i + 1] - begins[i]);
  std::span<const float> logits;
  try {
    logits = session_->step_rows(steps);
  } catch (const CancelledError&) {
    if (!cancelled()) throw;
    return false;
  }
  int64_t rows = 0, first = 0;
  for (const auto& step : steps) rows += step.logits;
  const size_t vocabulary = logits.size() / static_cast<size_t>(rows);
  for (const auto& step : steps) {
    fed_[step.row] += static_cast<int64_t>(step.tokens.size());
    read(step.row, {logits.subspan(static_cast<size_t>(first) * vocabulary,
                                   static_cast<size_t>(step.logits) * vocabulary),
                    guessed_[step.row]});
    first += step.logits;
  }
  return true;
}

std::span<const int64_t> TokenFeed::columns(int64_t first, int64_t count) {
  tokens_.clear();
  for (size_t i = 0; i < rows_.size(); ++i) {
    for (int64_t column = first; column < first + count; ++column) {
      const int64_t position = column - padding_[i];
      if (position < 0 || position >= length(rows_[i])) {
        tokens_.push_back(kPadToken);
        continue;
      }
      tokens_.push_back(token_at(i, position));
    }
  }
  return tokens_;
}

}  // namespace mm_orch::generation
