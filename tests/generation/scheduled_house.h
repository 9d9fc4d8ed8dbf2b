// A scheduled model whose cache holds tokens, and what its callers should get.
#pragma once

#include <memory>
#include <random>
#include <vector>

#include "generation/scheduled_model.h"
#include "generation/scheduler.h"
#include "support/token_cache.h"

namespace mm_orch::generation {

using testing::CacheModel;
using testing::hashed_logits;
using testing::ModelSessions;
using testing::TokenCache;

inline constexpr int64_t kVocabulary = 50;

struct House {
  explicit House(int64_t blocks, config::SchedulerConfig config = {},
                 graph::ModelKind kind = graph::ModelKind::kDecoder)
      : cache(blocks, kVocabulary, 0, kind),
        model(ScheduledModel::schedule(std::make_shared<CacheModel>(cache), config)) {}

  std::vector<GenerationResult> generate(const std::vector<std::vector<int64_t>>& prompts,
                                         const ResolvedConfig& config) {
    ModelSessions sessions(model);
    return generation::generate(sessions, nullptr, prompts, config);
  }
  SchedulingStats stats() const { return dynamic_cast<ScheduledModel&>(*model).stats(); }

  TokenCache cache;
  std::shared_ptr<backend::LoadedModel> model;
};

inline ResolvedConfig config_of(int64_t new_tokens, uint64_t seed = 1, bool do_sample = true) {
  ResolvedConfig config;
  config.max_new_tokens = new_tokens;
  config.do_sample = do_sample;
  config.seed = seed;
  return config;
}

inline std::vector<int64_t> prompt_of(uint64_t seed, size_t length) {
  std::mt19937_64 random(seed);
  std::vector<int64_t> prompt(length);
  for (auto& token : prompt) token = static_cast<int64_t>(random() % kVocabulary);
  return prompt;
}

/// What a caller alone gets, from a session without a cache.
inline std::vector<int64_t> expected(const std::vector<int64_t>& prompt,
                                     const ResolvedConfig& config) {
  testing::ScriptedProvider alone(
      [](std::span<const int64_t> history) { return hashed_logits(history, kVocabulary); });
  auto own = config;
  own.cancel = nullptr;
  return generation::generate(alone, nullptr, std::vector<std::vector<int64_t>>{prompt}, own)[0]
      .new_tokens;
}

}  // namespace mm_orch::generation
