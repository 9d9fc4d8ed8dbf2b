// The threads that share a step's work, one team for the whole process. OpenMP gives each
// thread that asks a team of its own, and two teams on the same cores put each other to sleep
// between any two operations.
//
// A step has hundreds of jobs of some microseconds. A counter that all take their pieces from would
// go from core to core at each piece; so every thread has pieces of its own, counted on a cache
// line of its own, and looks at the others' when it is done.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace mm_orch::torch_backend {

class ThreadPool {
 public:
  static constexpr int kMost = 256;  // threads of a job

  /// Never destroyed: threads may be at work when the process ends.
  static ThreadPool& instance();

  /// Calls body(context, first, last) on pieces of [0, end), on `threads` threads at most, this one
  /// included: each begins with pieces of its own, whoever is free takes what others have left.
  /// Returns when all are done; the first exception passes on.
  using Body = void (*)(const void* context, int64_t first, int64_t last);
  void run(int threads, int64_t end, int64_t piece, Body body, const void* context);

 private:
  struct Job {
    uint32_t number;
    uint32_t lanes;  // threads that take part
    int64_t pieces;  // lane l has those of [l · pieces / lanes, (l + 1) · pieces / lanes)
    int64_t piece, end;
    Body body;
    const void* context;

    int64_t first_piece(uint32_t lane) const { return lane * pieces / lanes; }
    uint32_t pieces_of(uint32_t lane) const {
      return static_cast<uint32_t>(first_piece(lane + 1) - first_piece(lane));
    }
  };
  // How far a thread's pieces are.
  struct alignas(64) Lane {
    std::atomic<uint64_t> state = 0;  // the job's number (32 bits), pieces taken and done (16 each)
  };

  void help(uint32_t lane);
  std::optional<Job> job() const;
  void work(const Job& job, uint32_t own);
  bool take_piece(const Job& job, uint32_t lane);
  void wait(const Job& job) const;

  std::mutex mutex_;  // of those that call run
  std::vector<std::thread> helpers_;
  std::array<Lane, kMost> lanes_;
  // The job, read by all while the next may be written: valid if number_ was the same even
  // number before and after.
  alignas(64) std::atomic<uint32_t> number_ = 0;
  std::atomic<uint32_t> lanes_of_job_ = 0;
  std::atomic<int64_t> pieces_ = 0, piece_ = 0, end_ = 0;
  std::atomic<Body> body_ = nullptr;
  std::atomic<const void*> context_ = nullptr;
  alignas(64) std::atomic<bool> failed_ = false;
  std::exception_ptr error_;  // of the thread that set failed_
};

}  // namespace mm_orch::torch_backend
