#include "manager/failover_sessions.h"

#include <fmt/format.h>

#include <utility>

#include "mm_orch/log.h"

namespace mm_orch::manager {

FailoverSessions::~FailoverSessions() {
  if (breaker_waits_) hosted_.breaker->abandoned();
}

std::unique_ptr<backend::Session> FailoverSessions::open(const backend::SessionOptions& options) {
  if (hosted_.breaker) {
    if (!hosted_.breaker->allow()) {
      backend_ = kPyTorch;
      return loader_.stand_in(hosted_)->new_session(options);
    }
    breaker_waits_ = true;
  }
  try {
    return hosted_.model->new_session(options);
  } catch (const MuAIError& error) {
    return recover(error, options);
  }
}

std::unique_ptr<backend::Session> FailoverSessions::recover(
    const MuAIError& error, const backend::SessionOptions& options) {
  const auto model = loader_.take_over(hosted_, error, backend_);
  if (std::exchange(breaker_waits_, false) && hosted_.breaker->failed())
    log(LogLevel::kWarning,
        fmt::format("{}: {} keeps failing; PyTorch answers until it is tried again",
                    hosted_.assets.name, hosted_.backend));
  backend_ = kPyTorch;
  moved_ = true;
  return model->new_session(options);
}

void FailoverSessions::finished() {
  if (std::exchange(breaker_waits_, false) && hosted_.breaker->succeeded())
    log(LogLevel::kInfo, fmt::format("{}: {} works again", hosted_.assets.name, hosted_.backend));
}

}  // namespace mm_orch::manager
