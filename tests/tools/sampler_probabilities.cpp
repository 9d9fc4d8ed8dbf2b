// Prints what the sampler would draw from, for comparison with other implementations.
// stdin:  [{"logits": [V], "history": [ids of the prompt], "temperature": 0.7, ...}, ...]
// stdout: [[V], ...], the probabilities of each case
#include <iostream>
#include <nlohmann/json.hpp>

#include "generation/sampler.h"

int main() {
  using mm_orch::generation::ResolvedConfig;
  using mm_orch::generation::Sampler;
  const nlohmann::json request = nlohmann::json::parse(std::cin);
  nlohmann::json replies = nlohmann::json::array();
  for (const nlohmann::json& one : request) {
    ResolvedConfig config;
    config.do_sample = true;
    config.temperature = one.value("temperature", 1.0f);
    config.top_k = one.value("top_k", int64_t{0});
    config.top_p = one.value("top_p", 1.0f);
    config.min_p = one.value("min_p", 0.0f);
    config.repetition_penalty = one.value("repetition_penalty", 1.0f);
    config.min_new_tokens = one.value("min_new_tokens", int64_t{0});
    config.eos_token_ids = one.value("eos_token_ids", std::vector<int64_t>{});
    const auto logits = one.at("logits").get<std::vector<float>>();
    Sampler sampler(config, 0, one.at("history").get<std::vector<int64_t>>());
    sampler.read(logits);
    double total = 0;
    for (const auto& candidate : sampler.candidates()) total += candidate.weight;
    std::vector<double> probabilities(logits.size(), 0.0);
    for (const auto& candidate : sampler.candidates()) {
      probabilities[candidate.id] = candidate.weight / total;
    }
    replies.push_back(probabilities);
  }
  std::cout << replies << '\n';
}
