#include "row_blocks.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "graph/weight_reader.h"

namespace mm_orch::openvino {
namespace {

constexpr int64_t kBlockElements = 1 << 18;  // 1 MB of f32: stays in the caches
constexpr unsigned kThreads = 2;             // more gains nothing: reading is bound by memory

}  // namespace

void for_row_blocks(const graph::Weight& weight, const RowFunction& use) {
  const int64_t rows = graph::row_count(weight);
  const int64_t columns = graph::column_count(weight);
  const int64_t block =
      weight.transposed ? rows : std::clamp<int64_t>(kBlockElements / columns, 1, rows);
  const int64_t blocks = (rows + block - 1) / block;
  std::atomic<int64_t> next = 0;
  std::exception_ptr failure;
  std::mutex failure_mutex;
  const auto work = [&] {
    try {
      std::vector<float> buffer(static_cast<size_t>(block * columns));
      for (int64_t b; (b = next.fetch_add(1)) < blocks;) {
        const int64_t count = std::min(block, rows - b * block);
        const auto out = std::span(buffer).first(static_cast<size_t>(count * columns));
        graph::read_rows(weight, b * block, count, out);
        use(b * block, out);
      }
    } catch (...) {
      const std::lock_guard lock(failure_mutex);
      failure = std::current_exception();
      next = blocks;
    }
  };
  std::vector<std::jthread> helpers;
  try {
    for (unsigned i = 1; i < std::min<int64_t>(kThreads, blocks); ++i) helpers.emplace_back(work);
  } catch (const std::system_error&) {  // no memory for a stack: this thread does it alone
  }
  work();
  helpers.clear();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace mm_orch::openvino
