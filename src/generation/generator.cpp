#include "generation/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>

#include "base/finite.h"
#include "generation/beam_search.h"
#include "generation/guesses.h"
#include "generation/sequence.h"
#include "generation/stop_matcher.h"
#include "generation/token_feed.h"

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

class Run {
 public:
  Run(SessionProvider& sessions, const std::shared_ptr<const text::Tokenizer>& tokenizer,
      std::span<const std::vector<int64_t>> prompts, const ResolvedConfig& config,
      std::span<const std::vector<int64_t>> sources)
      : sessions_(sessions),
        sources_(sources),
        stop_strings_(config.stop_strings),
        guesses_(config, prompts.size()),
        feed_(
            sessions, config, [this] { return arrange(); },
            [this](std::span<const size_t> rows, const GuessRoom& room) {
              return guess(rows, room);
            }) {
    for (size_t i = 0; i < prompts.size(); ++i)
      sequences_.emplace_back(config, stop_strings_, i, prompts[i], tokenizer);
  }

  std::vector<GenerationResult> run() {
    while (!all_done()) {
      const auto start = Clock::now();
      guessing_s_ = 0.0;
      const bool fed = feed_.step([this](size_t row, const TokenFeed::Logits& logits) {
        if (rows_[row]->done()) return;
        rows_[row]->sampler().read(logits.row(0));
        require_finite(logits);
        logits_[row] = logits;
      });
      if (!fed) {
        cancel();
        break;
      }
      weigh(seconds_since(start) - guessing_s_);
      take_tokens();
    }
    return results();
  }

 private:
  static double seconds_since(Clock::time_point start) {
    return std::chrono::duration<double>(Clock::now() - start).count();
  }
  double elapsed_s() const { return seconds_since(start_); }

  bool all_done() const {
    return std::all_of(sequences_.begin(), sequences_.end(),
                       [](const Sequence& sequence) { return sequence.done(); });
  }

  std::vector<TokenFeed::Row> arrange() {
    rows_.clear();
    std::vector<TokenFeed::Row> rows;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      if (sequences_[i].done()) continue;
      GenerationResult& result = sequences_[i].result();
      rows_.push_back(&sequences_[i]);
      rows.push_back({&result.prompt_tokens, &result.new_tokens, source_of(sources_, i),
                      [&sequence = sequences_[i]] { return sequence.done(); }});
    }
    logits_.assign(rows.size(), {});
    return rows;
  }

  std::vector<std::span<const int64_t>> guess(std::span<const size_t> rows, const GuessRoom& room) {
    const auto start = Clock::now();
    std::vector<GrowingText> texts;
    for (const size_t row : rows) {
      const auto& result = rows_[row]->result();
      texts.push_back({rows_[row]->index(), &result.prompt_tokens, &result.new_tokens});
    }
    auto guesses = guesses_.guess(texts, room);
    guessing_s_ = seconds_since(start);
    return guesses;
  }

  // For the draft model: what steps with guesses and steps without take. The first one after a
  // prompt is slower.
  void weigh(double seconds) {
    const bool guessed =
        std::ranges::any_of(logits_, [](const auto& l) { return !l.guessed.empty(); });
    const bool begins = std::ranges::any_of(
        rows_, [](auto* sequence) { return sequence->result().new_tokens.size() < 2; });
    if (guessed)
      check_s_ = seconds;
    else if (!begins)
      plain_s_ = plain_s_ > 0.0 ? 0.8 * plain_s_ + 0.2 * seconds : seconds;
  }

  void take_tokens() {
    const std::string backend = sessions_.backend_name();
    for (size_t row = 0; row < rows_.size(); ++row) {
      Sequence& sequence = *rows_[row];
      if (sequence.done()) continue;
      GenerationResult& result = sequence.result();
      if (result.new_tokens.empty()) result.time_to_first_token_s = elapsed_s();
      result.backend = backend;
      accept(sequence, logits_[row]);
      if (sequence.done()) guesses_.end(sequence.index());
    }
  }

  // What was guessed stands as far as it is what would have been chosen without the guess.
  void accept(Sequence& sequence, const TokenFeed::Logits& logits) {
    const auto& guessed = logits.guessed;
    for (size_t i = 0;; ++i) {
      const int64_t token = sequence.sampler().choose();
      sequence.accept(token);
      const bool right = i < guessed.size() && token == guessed[i];
      if (right && !sequence.done()) {
        sequence.sampler().read(logits.row(i + 1));
        continue;
      }
      if (guessed.empty()) return;
      const auto accepted = static_cast<int64_t>(i + right);
      sequence.result().draft_tokens += static_cast<int64_t>(guessed.size());
      sequence.result().accepted_draft_tokens += accepted;
      constexpr double kShort = 1e-3;  // of such steps the time says nothing
      guesses_.judge(sequence.index(), accepted, plain_s_ > kShort ? plain_s_ : 0.0, check_s_);
      return;
    }
  }

  static void require_finite(const TokenFeed::Logits& logits) {
    for (size_t i = 1; i <= logits.guessed.size(); ++i)
      if (!all_finite(logits.row(i)))
        throw NumericFaultError("The model gave NaN or Inf among the logits of guessed tokens");
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
  const std::span<const std::vector<int64_t>> sources_;
  const StopStrings stop_strings_;
  const Clock::time_point start_ = Clock::now();
  std::deque<Sequence> sequences_;
  Guesses guesses_;
  double guessing_s_ = 0.0;                // in the present step
  double plain_s_ = 0.0;                   // a step without guesses, as they have been lately
  double check_s_ = 0.0;                   // the last step with guesses
  std::vector<Sequence*> rows_;            // what the session has
  std::vector<TokenFeed::Logits> logits_;  // of each, from the last step
  TokenFeed feed_;
};

}  // namespace

std::vector<GenerationResult> generate(SessionProvider& sessions,
                                       std::shared_ptr<const text::Tokenizer> tokenizer,
                                       std::span<const std::vector<int64_t>> prompts,
                                       const ResolvedConfig& config,
                                       std::span<const std::vector<int64_t>> sources) {
  if (!config.stop_strings.empty() && !tokenizer) {
    throw InvalidInputError("stop_strings need a tokenizer, which this model lacks.");
  }
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (!prompts[i].empty()) continue;
    throw InvalidInputError(fmt::format(
        "Prompt {} of {} has no tokens; a prompt needs at least one.", i, prompts.size()));
  }
  if (prompts.empty()) return {};
  if (!sources.empty() && sources.size() != prompts.size())
    throw InvalidInputError(
        fmt::format("{} source texts are given for {} prompts", sources.size(), prompts.size()));
  if (config.num_beams > 1) return beam_search(sessions, tokenizer, prompts, config, sources);
  return Run(sessions, tokenizer, prompts, config, sources).run();
}

}  // namespace generation
}  // namespace mm_orch
