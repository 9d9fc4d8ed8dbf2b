// What a token costs in the manager, the loop, the statistics and the stream: a whole generation on
// a backend whose steps cost nothing. "per_token" is what has to stay below 1% of a real step.
#include <benchmark/benchmark.h>

#include "mm_orch/model_manager.h"
#include "null_backend.h"
#include "support/model_folder.h"

namespace mm_orch::benchmarks {
namespace {

void Orchestration(benchmark::State& state) {
  constexpr int64_t kTokens = 48;
  const testing::ScratchFolder folder;
  testing::write_tiny_gpt2(folder.path() / "tiny");
  backend::register_backend(std::make_unique<NullBackend>());
  ModelManager manager;
  manager.load_model((folder.path() / "tiny").string());
  size_t pieces = 0;
  GenerationConfig config{.max_new_tokens = kTokens, .do_sample = false};
  config.eos_token_ids = std::vector<int64_t>{};
  config.stream = [&](size_t, std::string_view) { return ++pieces > 0; };
  const std::vector<std::vector<int64_t>> prompts{{1, 2, 3, 4}};
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        manager.generate_tokens((folder.path() / "tiny").string(), prompts, config));
  }
  state.counters["per_token"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kTokens),
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK(Orchestration);

}  // namespace
}  // namespace mm_orch::benchmarks
