#include "generation/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>

#include "generation/sequence.h"
#include "generation/stop_matcher.h"

namespace mm_orch {

std::string finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos:
      return "eos";
    case FinishReason::kStopString:
      return "stop_string";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

namespace generation {

namespace {

using Clock = std::chrono::steady_clock;

// Fed where a sequence has no token of its own: before its prompt and after its end. Any id will
// do, since nothing of those positions is read.
constexpr int64_t kPadToken = 0;

// The tokens of all sequences form a matrix, aligned at the right. A step feeds its next columns; a
// new session starts again at column 0, so a recovery needs no other path than the start.
class Run {
 public:
  Run(SessionProvider& sessions, const std::shared_ptr<const text::Tokenizer>& tokenizer,
      std::span<const std::vector<int64_t>> prompts, const ResolvedConfig& config)
      : sessions_(sessions), config_(config), stop_strings_(config.stop_strings) {
    for (size_t i = 0; i < prompts.size(); ++i) {
      if (prompts[i].empty()) {
        throw InvalidInputError(fmt::format(
            "Prompt {} of {} has no tokens; a prompt needs at least one.", i, prompts.size()));
      }
      sequences_.emplace_back(config_, stop_strings_, i, prompts[i], tokenizer);
    }
  }

  std::vector<GenerationResult> run() {
    session_ = sessions_.open(arrange());
    while (!all_done()) {
      bool fed = false;
      try {
        fed = feed();
      } catch (const BackendError& error) {
        recover(error);
        continue;
      } catch (const OutOfMemoryError& error) {
        recover(error);
        continue;
      }
      if (!fed) {
        cancel();
        break;
      }
      take_tokens();
    }
    return results();
  }

 private:
  struct Row {
    Sequence* sequence;
    int64_t padding;
  };

  double elapsed_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  bool all_done() const {
    return std::all_of(sequences_.begin(), sequences_.end(),
                       [](const Sequence& sequence) { return sequence.done(); });
  }

  bool cancelled() const { return config_.cancel && config_.cancel->cancelled(); }

  // Lays out the sequences that are still running for a new session.
  backend::SessionOptions arrange() {
    rows_.clear();
    columns_ = 0;
    columns_fed_ = 0;
    for (Sequence& sequence : sequences_) {
      if (sequence.done()) continue;
      rows_.push_back({&sequence, 0});
      columns_ = std::max(columns_, sequence.length());
    }
    backend::SessionOptions options;
    options.batch = static_cast<int64_t>(rows_.size());
    for (Row& row : rows_) {
      row.padding = columns_ - row.sequence->length();
      options.padding.push_back(row.padding);
    }
    if (std::all_of(rows_.begin(), rows_.end(), [](const Row& row) { return row.padding == 0; })) {
      options.padding.clear();
    }
    const auto made = static_cast<int64_t>(rows_.front().sequence->result().new_tokens.size());
    options.capacity = columns_ + config_.max_new_tokens - made - 1;
    return options;
  }

  void recover(const MuAIError& error) {
    session_.reset();
    session_ = sessions_.recover(error, arrange());
  }

  // Feeds what the session lacks and hands the logits to the samplers; false if cancelled.
  bool feed() {
    std::span<const float> logits;
    while (columns_fed_ < columns_) {
      if (cancelled()) return false;
      const int64_t count = std::min(kPrefillChunk, columns_ - columns_fed_);
      logits = session_->step(columns(columns_fed_, count), backend::LogitsOf::kLastToken);
      columns_fed_ += count;
    }
    if (logits.empty() || logits.size() % rows_.size() != 0) {
      throw InferenceError(
          fmt::format("The backend gave {} logits for {} sequences.", logits.size(), rows_.size()));
    }
    const size_t vocabulary = logits.size() / rows_.size();
    for (size_t i = 0; i < rows_.size(); ++i) {
      if (rows_[i].sequence->done()) continue;
      rows_[i].sequence->sampler().read(logits.subspan(i * vocabulary, vocabulary));
    }
    return true;
  }

  std::span<const int64_t> columns(int64_t first, int64_t count) {
    tokens_.clear();
    for (const Row& row : rows_) {
      for (int64_t column = first; column < first + count; ++column) {
        const int64_t position = column - row.padding;
        const bool own = position >= 0 && position < row.sequence->length();
        tokens_.push_back(own ? row.sequence->token(position) : kPadToken);
      }
    }
    return tokens_;
  }

  void take_tokens() {
    const std::string backend = sessions_.backend_name();
    for (const Row& row : rows_) {
      if (row.sequence->done()) continue;
      GenerationResult& result = row.sequence->result();
      if (result.new_tokens.empty()) result.time_to_first_token_s = elapsed_s();
      result.backend = backend;
      row.sequence->accept(row.sequence->sampler().choose());
    }
    ++columns_;
  }

  void cancel() {
    for (Sequence& sequence : sequences_) {
      if (!sequence.done()) sequence.cancel();
    }
  }

  std::vector<GenerationResult> results() {
    std::vector<GenerationResult> results;
    const double latency_s = elapsed_s();
    for (Sequence& sequence : sequences_) {
      sequence.result().latency_s = latency_s;
      results.push_back(std::move(sequence.result()));
    }
    return results;
  }

  SessionProvider& sessions_;
  const ResolvedConfig& config_;
  const StopStrings stop_strings_;
  const Clock::time_point start_ = Clock::now();
  std::deque<Sequence> sequences_;
  std::vector<Row> rows_;
  int64_t columns_ = 0;
  int64_t columns_fed_ = 0;
  std::unique_ptr<backend::Session> session_;
  std::vector<int64_t> tokens_;
};

}  // namespace

std::vector<GenerationResult> generate(SessionProvider& sessions,
                                       std::shared_ptr<const text::Tokenizer> tokenizer,
                                       std::span<const std::vector<int64_t>> prompts,
                                       const ResolvedConfig& config) {
  if (!config.stop_strings.empty() && !tokenizer) {
    throw InvalidInputError("stop_strings need a tokenizer, which this model lacks.");
  }
  if (prompts.empty()) return {};
  return Run(sessions, tokenizer, prompts, config).run();
}

}  // namespace generation
}  // namespace mm_orch
