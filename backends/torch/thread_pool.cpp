#include "thread_pool.h"

#include <algorithm>
#include <utility>

namespace mm_orch::torch_backend {
namespace {

// Some 100 us: longer than the pause between two operations, shorter than anybody minds.
constexpr int kSpins = 2000;
constexpr int64_t kMostPieces = 1 << 15;  // of a lane, in 16 bits

thread_local bool inside = false;  // this thread is at a job

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

uint32_t number_of(uint64_t state) { return static_cast<uint32_t>(state >> 32); }
uint32_t taken_of(uint64_t state) { return static_cast<uint32_t>(state >> 16 & 0xffff); }
uint32_t done_of(uint64_t state) { return static_cast<uint32_t>(state & 0xffff); }

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
  piece = std::max(piece, end / kMostPieces + 1);
  const int64_t pieces = (end + piece - 1) / piece;
  const auto lanes = static_cast<uint32_t>(std::min<int64_t>({threads, kMost, pieces}));
  while (helpers_.size() + 1 < lanes)
    helpers_.emplace_back(
        [this, lane = static_cast<uint32_t>(helpers_.size() + 1)] { help(lane); });
  const uint32_t before = number_.load(std::memory_order_relaxed);
  number_.store(before + 1, std::memory_order_relaxed);
  lanes_of_job_.store(lanes, std::memory_order_release);  // each is after the odd number
  pieces_.store(pieces, std::memory_order_release);
  piece_.store(piece, std::memory_order_release);
  end_.store(end, std::memory_order_release);
  body_.store(body, std::memory_order_release);
  context_.store(context, std::memory_order_release);
  failed_.store(false, std::memory_order_relaxed);
  number_.store(before + 2);
  number_.notify_all();

  const Job job{before + 2, lanes, pieces, piece, end, body, context};
  work(job, 0);
  wait(job);
  if (failed_.load(std::memory_order_relaxed))
    std::rethrow_exception(std::exchange(error_, nullptr));
}

// A helper that still sleeps is not waited for: the others take its pieces.
void ThreadPool::wait(const Job& job) const {
  for (uint32_t lane = 0; lane < job.lanes; ++lane) {
    const uint32_t pieces = job.pieces_of(lane);
    for (int spins = 0; done_of(lanes_[lane].state.load(std::memory_order_acquire)) != pieces;
         ++spins)
      if (spins < kSpins)
        pause();
      else
        std::this_thread::yield();
  }
}

void ThreadPool::help(uint32_t lane) {
  for (uint32_t seen = 0;;) {
    for (int spins = 0; number_.load(std::memory_order_relaxed) == seen && spins < kSpins; ++spins)
      pause();
    number_.wait(seen);
    const auto found = job();
    if (!found) continue;
    seen = found->number;
    if (lane < found->lanes) work(*found, lane);
  }
}

// None while one is written.
std::optional<ThreadPool::Job> ThreadPool::job() const {
  const uint32_t number = number_.load(std::memory_order_acquire);
  const Job job{number,
                lanes_of_job_.load(std::memory_order_acquire),
                pieces_.load(std::memory_order_acquire),
                piece_.load(std::memory_order_acquire),
                end_.load(std::memory_order_acquire),
                body_.load(std::memory_order_acquire),
                context_.load(std::memory_order_acquire)};
  if (number % 2 != 0 || number_.load(std::memory_order_relaxed) != number) return std::nullopt;
  return job;
}

void ThreadPool::work(const Job& job, uint32_t own) {
  inside = true;
  for (uint32_t i = 0; i < job.lanes; ++i)
    while (take_piece(job, (own + i) % job.lanes)) {
    }
  inside = false;
}

// False if none is left. In a lane with another number no piece was taken yet, unless the job is
// over: then a later one has begun, which number_ tells.
bool ThreadPool::take_piece(const Job& job, uint32_t lane) {
  auto& state = lanes_[lane].state;
  uint64_t found = state.load(std::memory_order_acquire);
  uint32_t taken = 0;
  uint64_t next = 0;
  do {
    const bool begun = number_of(found) == job.number;
    if (!begun && number_.load(std::memory_order_acquire) != job.number) return false;
    taken = begun ? taken_of(found) : 0;
    if (taken == job.pieces_of(lane)) return false;
    next = uint64_t{job.number} << 32 | uint64_t{taken + 1} << 16 | (begun ? done_of(found) : 0);
  } while (!state.compare_exchange_weak(found, next, std::memory_order_acq_rel,
                                        std::memory_order_acquire));
  if (!failed_.load(std::memory_order_relaxed)) {
    const int64_t first = (job.first_piece(lane) + taken) * job.piece;
    try {
      job.body(job.context, first, std::min(first + job.piece, job.end));
    } catch (...) {
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }
  state.fetch_add(1, std::memory_order_release);  // done
  return true;
}

}  // namespace mm_orch::torch_backend
