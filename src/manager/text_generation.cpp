#include "manager/text_generation.h"

#include <fmt/format.h>

#include <algorithm>

namespace mm_orch::manager {
namespace {

using graph::ModelKind;

[[noreturn]] void refuse(const ModelAssets& assets, const char* what) {
  const bool encoder = assets.info.kind == ModelKind::kEncoder;
  throw InvalidInputError(
      fmt::format("'{}' is {} model ({}) and cannot {}; use {}", assets.name,
                  encoder ? "an encoder" : "an encoder-decoder", assets.info.architecture, what,
                  encoder ? "embed or infer" : "generate"),
      ErrorContext{.model = assets.name});
}

}  // namespace

void require_decoder(const ModelAssets& assets, const char* what) {
  if (assets.info.kind != ModelKind::kDecoder) refuse(assets, what);
}

generation::ResolvedConfig resolve(const GenerationConfig& asked, const ModelAssets& assets,
                                   std::span<const std::vector<int64_t>> prompts) {
  if (assets.info.kind == ModelKind::kEncoder) refuse(assets, "generate text");
  size_t longest = 0;
  for (const auto& prompt : prompts) {
    if (prompt.empty())
      throw InvalidInputError("The prompt is empty (no token); at least one token is needed",
                              ErrorContext{.model = assets.name});
    longest = std::max(longest, prompt.size());
  }
  const bool reads_source = assets.info.kind == ModelKind::kEncoderDecoder;
  return generation::resolve(asked, assets.generation_config, assets.config,
                             reads_source ? 1 : static_cast<int64_t>(longest),
                             assets.info.context_length);
}

std::vector<GenerationResult> generate(generation::SessionProvider& sessions,
                                       const ModelAssets& assets,
                                       std::shared_ptr<const text::Tokenizer> tokenizer,
                                       std::span<const std::vector<int64_t>> prompts,
                                       const generation::ResolvedConfig& config) {
  if (assets.info.kind != ModelKind::kEncoderDecoder)
    return generation::generate(sessions, std::move(tokenizer), prompts, config);
  const std::vector<std::vector<int64_t>> starts(prompts.size(), {assets.info.decoder_start_token});
  auto results = generation::generate(sessions, std::move(tokenizer), starts, config, prompts);
  for (size_t i = 0; i < results.size(); ++i) {
    results[i].prompt_tokens = prompts[i];
    results[i].continues_prompt = false;
  }
  return results;
}

}  // namespace mm_orch::manager
