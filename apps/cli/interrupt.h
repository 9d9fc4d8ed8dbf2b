// Ctrl-C while a generation runs: the first cancels it through its token, a second
// ends the process. Outside of such a scope Ctrl-C does what it always does.
#pragma once

#include <csignal>
#include <memory>

#include "mm_orch/generation_config.h"

namespace mm_orch::cli {

/// One at a time.
class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  const std::shared_ptr<CancelToken>& token() const { return token_; }
  bool interrupted() const { return token_->cancelled(); }

 private:
  std::shared_ptr<CancelToken> token_;
  struct sigaction previous_ {};
};

}  // namespace mm_orch::cli
