// One entry of the registry: a family of models written once.
#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"
#include "weights/model_source.h"

namespace mm_orch::models {

struct Architecture {
  std::vector<std::string> model_types;  // config.json's model_type values it serves
  graph::ModelInfo (*info)(const nlohmann::json& config);
  graph::Graph (*build)(const weights::ModelSource& source);
};

const Architecture& bert_architecture();
const Architecture& gpt2_architecture();
const Architecture& llama_architecture();
const Architecture& t5_architecture();

}  // namespace mm_orch::models
