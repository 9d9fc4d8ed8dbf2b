// Building a graph, lowering it and one step, of the model in MM_ORCH_BENCHMARK_MODEL (a folder or
// a .gguf file), on each backend that is there.
#include <benchmark/benchmark.h>

#include <cstdlib>

#include "backend/plugin.h"
#include "models/registry.h"
#include "support/model_folder.h"
#include "weights/model_source.h"

namespace mm_orch::benchmarks {
namespace {

std::unique_ptr<weights::ModelSource> open(benchmark::State& state) {
  const char* path = std::getenv("MM_ORCH_BENCHMARK_MODEL");
  if (!path) {
    state.SkipWithError("set MM_ORCH_BENCHMARK_MODEL to a model's path");
    return nullptr;
  }
  return weights::open_model(path);
}

void OpenModel(benchmark::State& state) {
  for (auto _ : state) {
    if (!open(state)) break;
  }
}
BENCHMARK(OpenModel)->Unit(benchmark::kMillisecond);

void BuildGraph(benchmark::State& state) {
  const auto source = open(state);
  for (auto _ : state) {
    if (!source) break;
    benchmark::DoNotOptimize(models::build_graph(*source));
  }
}
BENCHMARK(BuildGraph)->Unit(benchmark::kMicrosecond);

/// Calls `run` with the graph and the backend; skips where either is missing.
template <typename Run>
void with_backend(benchmark::State& state, const std::string& name, Run run) {
  const auto source = open(state);
  if (!source) return;
  try {
    run(models::build_graph(*source), backend::get_backend(name));
  } catch (const MuAIError& error) {
    state.SkipWithError(error.what());
  }
}

void step(benchmark::State& state, const std::string& name) {
  with_backend(state, name, [&](const graph::Graph& graph, backend::Backend& backend) {
    const auto model = backend.load(graph, {});
    const auto session = model->new_session({});
    const std::vector<int64_t> prompt{1, 2, 3, 4}, token{5};
    session->step(prompt, backend::LogitsOf::kLastToken);
    for (auto _ : state) {
      benchmark::DoNotOptimize(session->step(token, backend::LogitsOf::kLastToken).data());
    }
  });
}
BENCHMARK_CAPTURE(step, PyTorch, std::string("pytorch"))
    ->Iterations(50)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(step, OpenVINO, std::string("openvino"))
    ->Iterations(50)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void lower(benchmark::State& state, const std::string& name) {
  with_backend(state, name, [&](const graph::Graph& graph, backend::Backend& backend) {
    for (auto _ : state) benchmark::DoNotOptimize(backend.load(graph, {}));
  });
}
BENCHMARK_CAPTURE(lower, PyTorch, std::string("pytorch"))
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK_CAPTURE(lower, OpenVINO, std::string("openvino"))
    ->Iterations(3)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void ExportInt8(benchmark::State& state) {
  with_backend(state, "openvino", [&](const graph::Graph& graph, backend::Backend& backend) {
    const testing::ScratchFolder folder;
    for (auto _ : state) {
      backend.export_artifact(graph, folder.path() / "model",
                              {.precision = backend::Precision::kINT8});
    }
  });
}
BENCHMARK(ExportInt8)->Iterations(3)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace mm_orch::benchmarks
