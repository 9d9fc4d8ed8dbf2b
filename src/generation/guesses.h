// How texts may go on: looked up in the text itself, which costs nothing; else, if there is
// one, asked of the draft model, for all texts together.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "generation/lookup_draft.h"
#include "generation/model_draft.h"

namespace mm_orch::generation {

/// Of one generation.
class Guesses {
 public:
  Guesses(const ResolvedConfig& config, size_t texts) : texts_(texts) {
    if (config.draft) model_.emplace(*config.draft, config, texts);
    for (auto& text : texts_)
      if (config.prompt_lookup) text.lookup.emplace();
  }

  /// What may follow each of `texts`; often nothing. What is looked up has to promise more than the
  /// draft model does, which few texts may ask at a time: each of its tokens takes time.
  std::vector<std::span<const int64_t>> guess(std::span<const GrowingText> texts, GuessRoom room) {
    const bool asks_model = model_ && room.together <= kMostAsking;
    std::vector<std::span<const int64_t>> found(texts.size());
    std::vector<GrowingText> asked;
    for (size_t i = 0; i < texts.size(); ++i) {
      auto& text = texts_[texts[i].index];
      const double least = asks_model ? model_->gain(texts[i].index) : 1.0;
      if (text.lookup)
        found[i] = text.lookup->guess(*texts[i].prompt, *texts[i].new_tokens, room, least);
      room.tokens += static_cast<int64_t>(found[i].size());
      text.looked_up = !found[i].empty() || !asks_model;
      if (!text.looked_up) asked.push_back(texts[i]);
    }
    if (asked.empty()) return found;
    model_->guess(asked, room.most);
    for (size_t i = 0; i < texts.size(); ++i)
      if (!texts_[texts[i].index].looked_up) found[i] = model_->guessed(texts[i].index);
    return found;
  }

  /// As ModelDraft::judge; what was looked up needs none.
  void judge(size_t index, int64_t right, double plain_s, double check_s) {
    auto& text = texts_[index];
    if (!text.looked_up) model_->judge(index, right, plain_s, check_s);
  }

  void end(size_t index) {
    if (model_) model_->end(index);
  }

 private:
  static constexpr int64_t kMostAsking = 4;

  struct Text {
    std::optional<LookupDraft> lookup;
    bool looked_up = true;  // the last guess
  };

  std::deque<Text> texts_;
  std::optional<ModelDraft> model_;
};

}  // namespace mm_orch::generation
