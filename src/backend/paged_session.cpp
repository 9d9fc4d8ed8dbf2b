#include "backend/paged_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace mm_orch::backend {

PagedSession::PagedSession(PagedRunner& runner, std::shared_ptr<const LoadedModel> owner,
                           const SessionOptions& options, std::unique_ptr<SequenceStepper> stepper)
    : owner_(std::move(owner)),
      runner_(runner),
      stepper_(stepper ? std::move(stepper) : std::make_unique<DirectStepper>(runner)),
      padding_(options.padding),
      sources_(unique_sources(options.sources)) {
  check_session_options(options, runner.info());
  padding_.resize(static_cast<size_t>(options.batch), 0);
  for (int64_t b = 0; b < options.batch; ++b)
    rows_.push_back({.table = BlockTable(runner), .tokens = {}, .source = nullptr});
}

void PagedSession::read_sources() {
  if (sources_.texts.empty()) return;
  const auto read = stepper_->read_sources(sources_.texts);
  for (size_t b = 0; b < rows_.size(); ++b)
    rows_[b].source = read[static_cast<size_t>(sources_.index[b])];
  sources_ = {};
}

// Before anything changes.
void PagedSession::check(const RowTokens& row) const {
  const auto& info = runner_.info();
  if (row.row >= rows_.size())
    throw InvalidInputError(
        fmt::format("There is no sequence {}; allowed are [0, {})", row.row, rows_.size()));
  if (row.tokens.empty())
    throw InvalidInputError("A sequence has no token to feed; it needs one or more");
  check_token_ids(row.tokens, info.vocabulary_size);
  const size_t past = rows_[row.row].tokens.size();
  if (info.context_length > 0 &&
      static_cast<int64_t>(past + row.tokens.size()) > info.context_length)
    throw InvalidInputError(fmt::format("{} tokens after {} exceed the context of {} tokens",
                                        row.tokens.size(), past, info.context_length));
}

// The first of `rows` that does what number `i` does, as the beams of one prompt do at its start.
size_t PagedSession::leader_of(std::span<const RowTokens> rows, size_t i) const {
  if (rows[i].tokens.size() == 1) return i;
  const auto same = [&](const RowTokens& a, const RowTokens& b) {
    return a.logits == b.logits && std::ranges::equal(a.tokens, b.tokens) &&
           rows_[a.row].tokens == rows_[b.row].tokens && rows_[a.row].source == rows_[b.row].source;
  };
  size_t leader = 0;
  while (leader < i && !same(rows[leader], rows[i])) ++leader;
  return leader;
}

std::span<const float> PagedSession::step_rows(std::span<const RowTokens> rows) {
  const Awake awake(*this);
  for (const auto& row : rows) check(row);
  read_sources();
  std::vector<size_t> leaders(rows.size());
  for (size_t i = 0; i < rows.size(); ++i) leaders[i] = leader_of(rows, i);

  std::vector<PagedSequence*> sequences;
  for (size_t i = 0; i < rows.size(); ++i) {
    auto& sequence = rows_[rows[i].row];
    sequence.tokens.insert(sequence.tokens.end(), rows[i].tokens.begin(), rows[i].tokens.end());
    sequence.logits = rows[i].logits;
    if (leaders[i] == i) sequences.push_back(&sequence);
  }
  stepper_->step(sequences, computed_);
  for (size_t i = 0; i < rows.size(); ++i) {
    if (leaders[i] == i) continue;
    const auto& leader = rows_[rows[leaders[i]].row];
    rows_[rows[i].row].table = leader.table.fork();
    rows_[rows[i].row].computed = leader.computed;
  }
  return sequences.size() == rows.size() ? std::span<const float>(computed_)
                                         : in_order(rows, leaders);
}

void PagedSession::close_row(size_t row) {
  const Awake awake(*this);
  rows_.at(row).table.clear();
}

void PagedSession::truncate(size_t row, int64_t length) {
  const Awake awake(*this);
  auto& sequence = rows_.at(row);
  if (length < 0 || length > static_cast<int64_t>(sequence.tokens.size()))
    throw InvalidInputError(
        fmt::format("A sequence of {} tokens cannot be cut to {}", sequence.tokens.size(), length));
  sequence.tokens.resize(static_cast<size_t>(length));
  sequence.computed = std::min(sequence.computed, length);
}

// The logits of each row, where some were computed once for several.
std::span<const float> PagedSession::in_order(std::span<const RowTokens> rows,
                                              std::span<const size_t> leaders) {
  const auto vocabulary = static_cast<size_t>(runner_.info().vocabulary_size);
  std::vector<size_t> begins(rows.size());
  size_t begin = 0;
  logits_.clear();
  for (size_t i = 0; i < rows.size(); ++i) {
    const size_t count = static_cast<size_t>(rows[i].logits) * vocabulary;
    if (leaders[i] == i) {
      begins[i] = begin;
      begin += count;
    }
    const auto from = computed_.begin() + static_cast<int64_t>(begins[leaders[i]]);
    logits_.insert(logits_.end(), from, from + static_cast<int64_t>(count));
  }
  return logits_;
}

std::span<const float> PagedSession::step(std::span<const int64_t> tokens, LogitsOf logits_of) {
  if (tokens.empty() || tokens.size() % rows_.size() != 0)
    throw InvalidInputError(
        fmt::format("{} tokens cannot be shared evenly among {} sequences; each needs one or more",
                    tokens.size(), rows_.size()));
  const size_t width = tokens.size() / rows_.size();
  const size_t rows_each = logits_of == LogitsOf::kLastToken ? 1 : width;
  std::vector<RowTokens> rows;
  bool padded = false;
  for (size_t b = 0; b < rows_.size(); ++b) {
    const auto skipped = static_cast<size_t>(
        std::clamp<int64_t>(padding_[b] - length_, 0, static_cast<int64_t>(width)));
    padded |= skipped > 0;
    if (skipped == width) continue;
    const auto real = tokens.subspan(b * width + skipped, width - skipped);
    rows.push_back({b, real, static_cast<int64_t>(std::min(rows_each, real.size()))});
  }
  const auto found = rows.empty() ? std::span<const float>() : step_rows(rows);
  length_ += static_cast<int64_t>(width);
  if (!padded) return found;
  const auto vocabulary = static_cast<size_t>(runner_.info().vocabulary_size);
  std::vector<float> all(rows_.size() * rows_each * vocabulary, 0.0f);
  size_t begin = 0;
  for (const auto& row : rows) {
    const size_t count = static_cast<size_t>(row.logits) * vocabulary;
    std::ranges::copy(
        found.subspan(begin, count),
        all.begin() + static_cast<int64_t>((row.row + 1) * rows_each * vocabulary - count));
    begin += count;
  }
  logits_ = std::move(all);
  return logits_;
}

void PagedSession::reorder(std::span<const int32_t> source) {
  const Awake awake(*this);
  if (source.size() != rows_.size())
    throw InvalidInputError(
        fmt::format("reorder got {} entries for {} sequences", source.size(), rows_.size()));
  for (const int32_t b : source)
    if (b < 0 || b >= static_cast<int32_t>(rows_.size()))
      throw InvalidInputError(
          fmt::format("reorder names sequence {}; allowed are [0, {})", b, rows_.size()));
  read_sources();
  std::vector<PagedSequence> rows;
  std::vector<int64_t> padding;
  for (const int32_t b : source) {
    const auto& row = rows_[static_cast<size_t>(b)];
    rows.push_back({row.table.fork(), row.tokens, row.computed, row.logits, row.source});
    padding.push_back(padding_[static_cast<size_t>(b)]);
  }
  rows_ = std::move(rows);
  padding_ = std::move(padding);
}

}  // namespace mm_orch::backend
