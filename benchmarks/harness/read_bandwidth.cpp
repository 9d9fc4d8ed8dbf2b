// Reads 1 GiB from memory with all cores, as a decoded token reads the weights; prints GB/s of the
// best of ten passes.
#include <omp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

int main() {
  const size_t bytes = size_t{1} << 30;
  auto* data = static_cast<char*>(std::aligned_alloc(2 << 20, bytes));
  double best = 0;
  long long sum = 0;
#pragma omp parallel
  {
    const size_t share = bytes / omp_get_num_threads();
    std::memset(data + share * omp_get_thread_num(), 1, share);
  }
  for (int pass = 0; pass < 10; ++pass) {
    const auto start = std::chrono::steady_clock::now();
#pragma omp parallel reduction(+ : sum)
    {
      const size_t share = bytes / omp_get_num_threads();
      const auto* words = reinterpret_cast<const long long*>(data + share * omp_get_thread_num());
      long long own[8] = {};
      for (size_t i = 0; i < share / sizeof(long long); i += 8) {
        for (int k = 0; k < 8; ++k) own[k] += words[i + k];
      }
      for (long long part : own) sum += part;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    if (bytes / took.count() > best) best = bytes / took.count();
  }
  std::printf("%.3f %lld\n", best / 1e9, sum & 1);
}
