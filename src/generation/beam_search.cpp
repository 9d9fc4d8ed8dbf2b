#include "generation/beam_search.h"

#include <algorithm>
#include <chrono>
#include <deque>

#include "generation/beam_group.h"
#include "generation/token_feed.h"
#include "text/detokenizer.h"

namespace mm_orch::generation {

namespace {

using Clock = std::chrono::steady_clock;

class BeamSearch {
 public:
  BeamSearch(SessionProvider& sessions, const std::shared_ptr<const text::Tokenizer>& tokenizer,
             std::span<const std::vector<int64_t>> prompts, const ResolvedConfig& config,
             std::span<const std::vector<int64_t>> sources)
      : sessions_(sessions),
        tokenizer_(tokenizer),
        prompts_(prompts),
        sources_(sources),
        config_(config),
        feed_(sessions, config, [this] { return arrange(); }) {
    for (const auto& prompt : prompts) {
      groups_.emplace_back(config, prompt);
      results_.push_back({.prompt_tokens = prompt});
    }
  }

  std::vector<GenerationResult> run() {
    while (!std::all_of(groups_.begin(), groups_.end(),
                        [](const BeamGroup& group) { return group.done(); })) {
      const bool fed = feed_.step([this](size_t row, const TokenFeed::Logits& logits) {
        BeamGroup& group = groups_[followed_[row / beams()]];
        if (!group.done()) group.read(row % beams(), logits.row(0));
      });
      if (!fed) {
        cancelled_ = true;
        break;
      }
      advance();
    }
    return finish();
  }

 private:
  size_t beams() const { return static_cast<size_t>(config_.num_beams); }
  double elapsed_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

  std::vector<TokenFeed::Row> arrange() {
    followed_.clear();
    std::vector<TokenFeed::Row> rows;
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (groups_[i].done()) continue;
      followed_.push_back(i);
      for (const auto& beam : groups_[i].beams()) {
        rows.push_back({&prompts_[i], &beam.tokens, source_of(sources_, i),
                        [&group = groups_[i]] { return group.done(); }});
      }
    }
    return rows;
  }

  void advance() {
    const std::string backend = sessions_.backend_name();
    std::vector<int32_t> source;
    for (const size_t index : followed_) {
      BeamGroup& group = groups_[index];
      const auto first = static_cast<int32_t>(source.size());
      if (group.done()) {
        for (int32_t beam = 0; beam < config_.num_beams; ++beam) source.push_back(first + beam);
        continue;
      }
      if (group.beams().front().tokens.empty()) {
        results_[index].time_to_first_token_s = elapsed_s();
      }
      results_[index].backend = backend;
      for (const int32_t beam : group.advance()) source.push_back(first + beam);
    }
    feed_.reorder(std::move(source));
  }

  std::vector<GenerationResult> finish() {
    const double latency_s = elapsed_s();
    for (size_t i = 0; i < groups_.size(); ++i) {
      GenerationResult& result = results_[i];
      result.new_tokens = groups_[i].best().tokens;
      result.finish_reason = reason(groups_[i]);
      result.latency_s = latency_s;
      if (tokenizer_) result.text = text(result);
    }
    return std::move(results_);
  }

  FinishReason reason(const BeamGroup& group) const {
    if (cancelled_ && !group.done()) return FinishReason::kCancelled;
    const auto& eos = config_.eos_token_ids;
    const bool ended = std::find(eos.begin(), eos.end(), group.best().tokens.back()) != eos.end();
    return ended ? FinishReason::kEos : FinishReason::kLength;
  }

  std::string text(const GenerationResult& result) const {
    text::Detokenizer detokenizer(tokenizer_, result.prompt_tokens);
    std::string text;
    const size_t eos = result.finish_reason == FinishReason::kEos ? 1 : 0;
    for (const int64_t token : std::span(result.new_tokens).first(result.new_tokens.size() - eos)) {
      text += detokenizer.push(token);
    }
    return text + detokenizer.flush();
  }

  SessionProvider& sessions_;
  const std::shared_ptr<const text::Tokenizer>& tokenizer_;
  const std::span<const std::vector<int64_t>> prompts_;
  const std::span<const std::vector<int64_t>> sources_;
  const ResolvedConfig& config_;
  const Clock::time_point start_ = Clock::now();
  std::deque<BeamGroup> groups_;  // by prompt
  std::vector<GenerationResult> results_;
  std::vector<size_t> followed_;  // the prompts whose beams the session has, num_beams rows each
  TokenFeed feed_;
  bool cancelled_ = false;
};

}  // namespace

std::vector<GenerationResult> beam_search(SessionProvider& sessions,
                                          const std::shared_ptr<const text::Tokenizer>& tokenizer,
                                          std::span<const std::vector<int64_t>> prompts,
                                          const ResolvedConfig& config,
                                          std::span<const std::vector<int64_t>> sources) {
  return BeamSearch(sessions, tokenizer, prompts, config, sources).run();
}

}  // namespace mm_orch::generation
