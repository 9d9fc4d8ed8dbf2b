#include "interrupt.h"

#include <atomic>

namespace mm_orch::cli {
namespace {

std::atomic<CancelToken*> current_token{nullptr};
static_assert(std::atomic<CancelToken*>::is_always_lock_free);

void on_interrupt(int) {
  if (CancelToken* token = current_token.load()) token->cancel();
}

}  // namespace

InterruptScope::InterruptScope() : token_(std::make_shared<CancelToken>()) {
  current_token.store(token_.get());
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, &previous_);
}

InterruptScope::~InterruptScope() {
  sigaction(SIGINT, &previous_, nullptr);
  current_token.store(nullptr);
}

}  // namespace mm_orch::cli
