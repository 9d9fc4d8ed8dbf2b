// How one text may go on: looked up in the text itself, which costs nothing; else, if there is
// one, asked of the draft model.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "generation/lookup_draft.h"
#include "generation/model_draft.h"

namespace mm_orch::generation {

class Guesses {
 public:
  explicit Guesses(const ResolvedConfig& config) {
    if (config.prompt_lookup) lookup_.emplace();
    if (config.draft) model_.emplace(*config.draft, config);
  }

  std::span<const int64_t> guess(const std::vector<int64_t>& prompt,
                                 const std::vector<int64_t>& new_tokens) {
    std::span<const int64_t> found;
    if (lookup_) found = lookup_->guess(prompt, new_tokens);
    looked_up_ = !found.empty() || !model_;
    return looked_up_ ? found : model_->guess(prompt, new_tokens);
  }

  /// As ModelDraft::judge. What was looked up has to give more than the draft model would.
  void judge(int64_t right, double plain_s, double check_s) {
    if (!looked_up_) return model_->judge(right, plain_s, check_s);
    const double cost = plain_s > 0.0 ? check_s / plain_s : 1.0;
    lookup_->judge(right, model_ ? cost * model_->gain() : cost);
  }

  void end() {
    if (model_) model_->end();
  }

 private:
  std::optional<LookupDraft> lookup_;
  std::optional<ModelDraft> model_;
  bool looked_up_ = true;  // the last guess
};

}  // namespace mm_orch::generation
