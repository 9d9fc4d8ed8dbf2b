#include "manager/failover_sessions.h"

#include <fmt/format.h>

#include <utility>

#include "base/finite.h"
#include "mm_orch/log.h"

namespace mm_orch::manager {

FailoverSessions::~FailoverSessions() {
  if (breaker_waits_) hosted_.breaker->abandoned();
}

std::shared_ptr<backend::LoadedModel> FailoverSessions::first_model() {
  if (!hosted_.breaker) return hosted_.model;
  if (hosted_.breaker->allow()) {
    breaker_waits_ = true;
    return hosted_.model;
  }
  backend_ = kPyTorch;
  return loader_.stand_in(hosted_);
}

std::shared_ptr<backend::LoadedModel> FailoverSessions::next_model(const MuAIError& error) {
  auto model = loader_.take_over(hosted_, error, backend_);
  if (std::exchange(breaker_waits_, false) && hosted_.breaker->failed())
    log(LogLevel::kWarning,
        fmt::format("{}: {} keeps failing; PyTorch answers until it is tried again",
                    hosted_.assets.name, hosted_.backend));
  backend_ = kPyTorch;
  moved_ = true;
  return model;
}

std::unique_ptr<backend::Session> FailoverSessions::open(const backend::SessionOptions& options) {
  const auto model = first_model();
  if (model != hosted_.model) return model->new_session(options);
  try {
    return model->new_session(options);
  } catch (const MuAIError& error) {
    return recover(error, options);
  }
}

std::unique_ptr<backend::Session> FailoverSessions::recover(
    const MuAIError& error, const backend::SessionOptions& options) {
  return next_model(error)->new_session(options);
}

backend::EncoderOutput FailoverSessions::encode(const backend::EncoderInput& input) {
  auto model = first_model();
  for (;;) {
    try {
      auto output = model->encode(input);
      if (!all_finite(output.hidden) || !all_finite(output.class_logits))
        throw NumericFaultError("The model gave NaN or Inf",
                                ErrorContext{.model = hosted_.assets.name, .backend = backend_});
      return output;
    } catch (const MuAIError& error) {
      model = next_model(error);
    }
  }
}

void FailoverSessions::finished() {
  if (std::exchange(breaker_waits_, false) && hosted_.breaker->succeeded())
    log(LogLevel::kInfo, fmt::format("{}: {} works again", hosted_.assets.name, hosted_.backend));
}

}  // namespace mm_orch::manager
