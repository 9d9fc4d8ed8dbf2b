#include "thread_pool.h"

#include <algorithm>

namespace mm_orch::torch_backend {
namespace {

// Some 100 us: longer than the pause between two operations, shorter than anybody minds.
constexpr int kSpins = 2000;

thread_local bool inside = false;  // this thread is at a job

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadPool& ThreadPool::instance() {
  static auto* pool = new ThreadPool;
  return *pool;
}

void ThreadPool::run(int threads, int64_t end, int64_t piece, Body body, const void* context) {
  if (threads <= 1 || end <= piece || inside) {
    if (end > 0) body(context, 0, end);
    return;
  }
  const std::lock_guard lock(mutex_);
  const auto wanted = static_cast<size_t>(threads - 1);
  while (helpers_.size() < wanted) helpers_.emplace_back([this] { help(); });
  job_.body = body;
  job_.context = context;
  job_.end = end;
  job_.piece = piece;
  job_.helpers = static_cast<uint32_t>(wanted);
  job_.next = 0;
  job_.failed = false;
  job_.error = nullptr;
  state_.store(0, std::memory_order_release);
  ++jobs_;
  jobs_.notify_all();

  work();
  state_.fetch_or(kClosed);  // a helper that still sleeps is not waited for
  for (int spins = 0; state_.load(std::memory_order_acquire) != kClosed; ++spins)
    if (spins < kSpins)
      pause();
    else
      std::this_thread::yield();
  if (job_.error) std::rethrow_exception(job_.error);
}

void ThreadPool::help() {
  for (uint32_t seen = 0;;) {
    for (int spins = 0; jobs_.load() == seen && spins < kSpins; ++spins) pause();
    jobs_.wait(seen);
    seen = jobs_.load();
    if (!enter()) continue;
    work();
    state_.fetch_sub(1, std::memory_order_release);
  }
}

bool ThreadPool::enter() {
  uint32_t state = state_.load(std::memory_order_acquire);
  while (!(state & kClosed) && state < job_.helpers)
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) return true;
  return false;
}

void ThreadPool::work() {
  inside = true;
  try {
    for (int64_t first = job_.next.fetch_add(job_.piece); first < job_.end && !job_.failed;
         first = job_.next.fetch_add(job_.piece))
      job_.body(job_.context, first, std::min(first + job_.piece, job_.end));
  } catch (...) {
    if (!job_.failed.exchange(true)) job_.error = std::current_exception();
  }
  inside = false;
}

}  // namespace mm_orch::torch_backend
