// Whether one loaded model can guess for another: both are decoders whose sessions forget, and
// their tokens are the same. Thread-safe.
#pragma once

#include <memory>
#include <mutex>
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
  using Model = std::weak_ptr<const backend::LoadedModel>;
  // Two that were found to fit: comparing their tokens takes some milliseconds.
  struct Pair {
    Model target, draft;
    std::shared_ptr<generation::SharedPace> pace;
  };
  std::shared_ptr<generation::SharedPace> known(const HostedModel& target,
                                                const HostedModel& draft);

  std::mutex mutex_;
  std::vector<Pair> pairs_;
};

}  // namespace mm_orch::manager
