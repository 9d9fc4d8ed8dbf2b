#include "manager/circuit_breaker.h"

#include <utility>

namespace mm_orch::manager {

CircuitBreaker::CircuitBreaker(int failures, double retry_after_s, Clock clock)
    : limit_(failures), retry_after_(retry_after_s), clock_(std::move(clock)) {}

bool CircuitBreaker::allow() {
  const std::lock_guard lock(mutex_);
  if (failures_ < limit_) return true;
  if (trial_ || clock_() - opened_ < retry_after_) return false;
  trial_ = true;
  return true;
}

bool CircuitBreaker::failed() {
  const std::lock_guard lock(mutex_);
  trial_ = false;
  if (failures_ < limit_) ++failures_;
  if (failures_ < limit_) return false;
  opened_ = clock_();
  return true;
}

bool CircuitBreaker::succeeded() {
  const std::lock_guard lock(mutex_);
  trial_ = false;
  return std::exchange(failures_, 0) >= limit_;
}

void CircuitBreaker::abandoned() {
  const std::lock_guard lock(mutex_);
  trial_ = false;
}

}  // namespace mm_orch::manager
