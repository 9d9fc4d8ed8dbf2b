// One call of the generation loop for a model of either kind: a decoder goes on after its
// prompt, an encoder-decoder reads the prompt as its source.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "generation/generator.h"
#include "manager/model_assets.h"

namespace mm_orch::manager {

/// Prompts as token ids, at least one. @param tokenizer  may be null: then the results have no
/// text.
/// @throws InvalidInputError  an empty prompt, or the model generates no text; see
///                            generation::resolve and generate.
generation::ResolvedConfig resolve(const GenerationConfig& asked, const ModelAssets& assets,
                                   std::span<const std::vector<int64_t>> prompts);
std::vector<GenerationResult> generate(generation::SessionProvider& sessions,
                                       const ModelAssets& assets,
                                       std::shared_ptr<const text::Tokenizer> tokenizer,
                                       std::span<const std::vector<int64_t>> prompts,
                                       const generation::ResolvedConfig& config);

/// @throws InvalidInputError  the model is no decoder that goes on after a text; says what it does.
void require_decoder(const ModelAssets& assets, const char* what);

}  // namespace mm_orch::manager
