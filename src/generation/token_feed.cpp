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
  for (size_t i = 0; i < rows_.size(); ++i) read(i, logits.subspan(i * vocabulary, vocabulary));
  return true;
}

bool TokenFeed::feed_rows(const Read& read) {
  if (cancelled()) return false;
  std::vector<backend::RowTokens> steps;
  size_t first = 0;
  tokens_.clear();
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].done && rows_[i].done()) {
      session_->close_row(i);
      continue;
    }
    const auto& prompt = *rows_[i].prompt;
    const auto& new_tokens = *rows_[i].new_tokens;
    for (int64_t position = fed_[i]; position < length(rows_[i]); ++position) {
      const auto index = static_cast<size_t>(position);
      tokens_.push_back(index < prompt.size() ? prompt[index] : new_tokens[index - prompt.size()]);
    }
    steps.push_back({.row = i, .tokens = {}, .logits = 1});
  }
  for (auto& step : steps) {
    const auto count = static_cast<size_t>(length(rows_[step.row]) - fed_[step.row]);
    step.tokens = std::span(tokens_).subspan(first, count);
    first += count;
  }
  std::span<const float> logits;
  try {
    logits = session_->step_rows(steps);
  } catch (const CancelledError&) {
    if (!cancelled()) throw;
    return false;
  }
  const size_t vocabulary = logits.size() / steps.size();
  for (size_t i = 0; i < steps.size(); ++i) {
    fed_[steps[i].row] = length(rows_[steps[i].row]);
    read(steps[i].row, logits.subspan(i * vocabulary, vocabulary));
  }
  return true;
}

std::span<const int64_t> TokenFeed::columns(int64_t first, int64_t count) {
  tokens_.clear();
  for (size_t i = 0; i < rows_.size(); ++i) {
    const auto& prompt = *rows_[i].prompt;
    const auto& new_tokens = *rows_[i].new_tokens;
    for (int64_t column = first; column < first + count; ++column) {
      const int64_t position = column - padding_[i];
      if (position < 0 || position >= length(rows_[i])) {
        tokens_.push_back(kPadToken);
        continue;
      }
      const auto index = static_cast<size_t>(position);
      tokens_.push_back(index < prompt.size() ? prompt[index] : new_tokens[index - prompt.size()]);
    }
  }
  return tokens_;
}

}  // namespace mm_orch::generation
