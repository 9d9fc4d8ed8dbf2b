#include "models/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "mm_orch/errors.h"
#include "models/architecture.h"
#include "models/config_reader.h"

namespace mm_orch::models {
namespace {

const auto& all_architectures() {
  static const std::array kAll = {&bert_architecture(), &gpt2_architecture(), &llama_architecture(),
                                  &t5_architecture()};
  return kAll;
}

const Architecture& find_architecture(const nlohmann::json& config, const std::string& path) {
  const std::string type = ConfigReader(config).text("model_type", "");
  for (const Architecture* architecture : all_architectures())
    if (std::ranges::find(architecture->model_types, type) != architecture->model_types.end())
      return *architecture;
  throw UnsupportedModelError(
      fmt::format("Architecture '{}' (model_type of config.json) is not supported; supported: {}",
                  type, fmt::join(architectures(), ", ")),
      {.path = path});
}

}  // namespace

graph::Graph build_graph(const weights::ModelSource& source) {
  return find_architecture(source.config(), source.path().string()).build(source);
}

graph::ModelInfo model_info(const nlohmann::json& config) {
  return find_architecture(config, "").info(config);
}

std::vector<std::string> architectures() {
  std::vector<std::string> names;
  for (const Architecture* architecture : all_architectures())
    names.insert(names.end(), architecture->model_types.begin(), architecture->model_types.end());
  std::ranges::sort(names);
  return names;
}

}  // namespace mm_orch::models
