// Seeded random models of each family, as sources in memory: small, but with every
// part a real one has (random biases and norms too).
#pragma once

#include "support/memory_source.h"

namespace mm_orch::testing {

/// A Llama-like config (2 layers, hidden 32, 4 heads, 2 key/value heads) with `overrides` merged
/// in, and the tensors it asks for.
MemorySource random_llama(const nlohmann::json& overrides = nlohmann::json::object());

/// A GPT-2-like config (2 layers, hidden 32, 4 heads), likewise.
MemorySource random_gpt2(const nlohmann::json& overrides = nlohmann::json::object());

/// A BERT-like config (2 layers, hidden 32, 4 heads), likewise; no classification head.
MemorySource random_bert(const nlohmann::json& overrides = nlohmann::json::object());

}  // namespace mm_orch::testing
