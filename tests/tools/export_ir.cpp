// export_ir <folder or file> <stem> <precision>: exports a model to OpenVINO IR and prints the
// conversion's seconds and the process's peak memory in bytes.
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <exception>

#include "backend/plugin.h"
#include "models/registry.h"
#include "weights/model_source.h"

namespace {

int run(int count, char** arguments) {
  if (count != 4) {
    std::fputs("usage: export_ir <folder or file> <stem> <precision>\n", stderr);
    return 2;
  }
  auto& openvino = mm_orch::backend::get_backend("openvino");
  const auto begin = std::chrono::steady_clock::now();
  const auto source = mm_orch::weights::open_model(arguments[1]);
  const auto graph = mm_orch::models::build_graph(*source);
  mm_orch::backend::ExportOptions options;
  options.precision = mm_orch::backend::parse_precision(arguments[3]);
  options.metadata["source_fingerprint"] = source->fingerprint();
  openvino.export_artifact(graph, arguments[2], options);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::puts(fmt::format("{:.2f} s, {} bytes", elapsed.count(), usage.ru_maxrss * 1024).c_str());
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    return run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
