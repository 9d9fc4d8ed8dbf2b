#include "generation/sequence.h"

#include <algorithm>

namespace mm_orch::generation {

Sequence::Sequence(const ResolvedConfig& config, const StopStrings& stop_strings, size_t index,
                   const std::vector<int64_t>& prompt,
                   const std::shared_ptr<const text::Tokenizer>& tokenizer)
    : config_(config), index_(index), sampler_(config, index, prompt), stop_matcher_(stop_strings) {
  if (tokenizer) detokenizer_.emplace(tokenizer, prompt);
  result_.prompt_tokens = prompt;
}

bool Sequence::is_eos(int64_t token) const {
  const auto& ids = config_.eos_token_ids;
  return std::find(ids.begin(), ids.end(), token) != ids.end();
}

void Sequence::accept(int64_t token) {
  result_.new_tokens.push_back(token);
  if (is_eos(token)) return end(FinishReason::kEos);
  if (detokenizer_) show(detokenizer_->push(token));
  if (stop_matcher_.matched()) {
    end(FinishReason::kStopString);
  } else if (refused_) {
    end(FinishReason::kCancelled);
  } else if (static_cast<int64_t>(result_.new_tokens.size()) >= config_.max_new_tokens) {
    end(FinishReason::kLength);
  }
}

// Text of the first min_new_tokens tokens passes unseen by the stop strings.
void Sequence::show(std::string_view text) {
  if (static_cast<int64_t>(result_.new_tokens.size()) <= config_.min_new_tokens) {
    emit(text);
  } else {
    emit(stop_matcher_.push(text));
  }
}

void Sequence::emit(std::string_view piece) {
  if (piece.empty() || refused_) return;
  result_.text.append(piece);
  if (config_.stream && !config_.stream(index_, piece)) refused_ = true;
}

void Sequence::end(FinishReason reason) {
  done_ = true;
  result_.finish_reason = reason;
  if (!detokenizer_ || reason == FinishReason::kStopString) return;
  show(detokenizer_->flush());
  emit(stop_matcher_.flush());
}

}  // namespace mm_orch::generation
