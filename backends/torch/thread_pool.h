// The threads that share a step's work, one team for the whole process. OpenMP gives each
// thread that asks a team of its own, and two teams on the same cores put each other to sleep
// between any two operations.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mm_orch::torch_backend {

class ThreadPool {
 public:
  /// Never destroyed: threads may be at work when the process ends.
  static ThreadPool& instance();

  /// Calls body(context, first, last) on pieces of [0, end), on `threads` threads at most, this one
  /// included: whoever is free takes the next. Returns when all are done; the first exception
  /// passes on.
  using Body = void (*)(const void* context, int64_t first, int64_t last);
  void run(int threads, int64_t end, int64_t piece, Body body, const void* context);

 private:
  struct Job {
    Body body = nullptr;
    const void* context = nullptr;
    int64_t end = 0, piece = 0;
    std::atomic<uint32_t> helpers = 0;  // that may take part
    alignas(64) std::atomic<int64_t> next = 0;
    std::atomic<bool> failed = false;
    std::exception_ptr error;  // of the thread that set `failed`
  };
  static constexpr uint32_t kClosed = 1u << 31;

  void help();
  bool enter();
  void work();

  std::mutex mutex_;  // of those that call run
  std::vector<std::thread> helpers_;
  Job job_;
  // Each on a cache line of its own: some are read in a loop while others are written.
  alignas(64) std::atomic<uint32_t> state_ =
      kClosed;  // how many helpers are at the job; kClosed: none may come
  alignas(64) std::atomic<uint32_t> jobs_ = 0;  // that there were so far
};

}  // namespace mm_orch::torch_backend
