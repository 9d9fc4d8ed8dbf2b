// Whether one loaded model can guess for another: both are decoders whose sessions forget, and
// their tokens are the same. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "generation/generator.h"
#include "manager/hosted_model.h"

namespace mm_orch::manager {

class DraftModels {
 public:
  /// @throws ConfigurationError  `draft` cannot guess for `target`: which two, what differs and
  ///                             what is allowed.
  std::shared_ptr<const generation::DraftModel> make(const HostedModel& target,
                                                     const HostedModel& draft);

 private:
  using Tokenizer = text::Tokenizer;
  void check_tokens(const ModelAssets& target, const ModelAssets& draft);

  std::mutex mutex_;
  // Pairs found to be equal: comparing takes some milliseconds.
  std::vector<std::pair<std::weak_ptr<const Tokenizer>, std::weak_ptr<const Tokenizer>>> equal_;
};

}  // namespace mm_orch::manager
