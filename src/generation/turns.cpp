#include "generation/turns.h"

namespace mm_orch::generation {
namespace {

struct Line {
  std::mutex mutex;
  std::condition_variable moved;
  uint64_t next_ticket = 0, serving = 0;
};

Line& line() {
  static Line instance;
  return instance;
}

}  // namespace

Turn::Turn() {
  std::unique_lock lock(line().mutex);
  const uint64_t ticket = line().next_ticket++;
  line().moved.wait(lock, [&] { return line().serving == ticket; });
}

Turn::~Turn() {
  {
    const std::lock_guard lock(line().mutex);
    ++line().serving;
  }
  line().moved.notify_all();
}

}  // namespace mm_orch::generation
