// The team of threads: every piece once, by several, with errors passed on.
#include "thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace mm_orch::testing {
namespace {

using torch_backend::ThreadPool;

template <class F>
void run(int threads, int64_t end, int64_t piece, const F& f) {
  ThreadPool::instance().run(
      threads, end, piece,
      [](const void* context, int64_t first, int64_t last) {
        (*static_cast<const F*>(context))(first, last);
      },
      &f);
}

TEST(ThreadPool, DoesEachPieceOnce) {
  for (const int threads : {1, 2, 5})
    for (const int64_t end : {0, 1, 7, 64, 1000})
      for (const int64_t piece : {1, 3, 64}) {
        std::vector<std::atomic<int>> seen(static_cast<size_t>(end));
        run(threads, end, piece, [&](int64_t first, int64_t last) {
          for (int64_t i = first; i < last; ++i) ++seen[static_cast<size_t>(i)];
        });
        for (const auto& count : seen) EXPECT_EQ(count, 1);
      }
}

TEST(ThreadPool, SeveralThreadsTakePart) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  run(3, 300, 1, [&](int64_t, int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 3u);
}

TEST(ThreadPool, NoMoreThreadsThanAskedFor) {
  run(4, 100, 1, [](int64_t, int64_t) {});  // now there are three others
  std::atomic<int> now = 0, most = 0;
  run(2, 200, 1, [&](int64_t, int64_t) {
    const int count = ++now;
    for (int seen = most; seen < count && !most.compare_exchange_weak(seen, count);) {
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    --now;
  });
  EXPECT_EQ(most, 2);
}

TEST(ThreadPool, AnErrorPassesOnAndTheNextJobRuns) {
  for (int round = 0; round < 20; ++round) {
    EXPECT_THROW(run(3, 100, 1,
                     [](int64_t first, int64_t) {
                       if (first == 50) throw std::runtime_error("piece 50");
                     }),
                 std::runtime_error);
    std::atomic<int64_t> sum = 0;
    run(3, 100, 1, [&](int64_t first, int64_t) { sum += first; });
    EXPECT_EQ(sum, 4950);
  }
}

TEST(ThreadPool, AJobWithinAJobRunsOnItsOwnThread) {
  std::atomic<int64_t> sum = 0;
  run(3, 10, 1, [&](int64_t first, int64_t) {
    const auto self = std::this_thread::get_id();
    run(3, 10, 1, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), self);
      for (int64_t i = begin; i < end; ++i) sum += 10 * first + i;
    });
  });
  EXPECT_EQ(sum, 4950);
}

TEST(ThreadPool, CallersTakeTurns) {
  std::vector<std::thread> callers;
  std::vector<int64_t> sums(4, 0);
  for (size_t c = 0; c < sums.size(); ++c)
    callers.emplace_back([&, c] {
      for (int round = 0; round < 200; ++round) {
        std::atomic<int64_t> sum = 0;
        run(3, 50, 2, [&](int64_t first, int64_t last) { sum += last - first; });
        sums[c] += sum;
      }
    });
  for (auto& caller : callers) caller.join();
  for (const int64_t sum : sums) EXPECT_EQ(sum, 200 * 50);
}

}  // namespace
}  // namespace mm_orch::testing
