// The generation loop: prompts in, tokens and text out, over one Session. The same
// on every backend. Knows nothing of models' names, caches or fallback; a failed
// step is handed to `recover`, which may offer another session to go on with.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "generation/draft_pace.h"
#include "mm_orch/generation_config.h"
#include "text/tokenizer.h"

namespace mm_orch::generation {

/// A smaller model of the same vocabulary, which guesses tokens for a larger one to check.
struct DraftModel {
  std::shared_ptr<backend::LoadedModel> model;  // its sessions are ragged
  int64_t vocabulary = 0;                       // ids below are of the same tokens in both
  int64_t context_length = 0;                   // 0: no limit
  std::shared_ptr<SharedPace> pace = std::make_shared<SharedPace>();
  /// Told once for each generation for which it failed; its texts go on without it.
  std::function<void(const MuAIError&)> failed;
};

/// GenerationConfig with every member resolved: caller, then generation_config.json, then defaults.
struct ResolvedConfig {
  int64_t max_new_tokens = 50;
  int64_t min_new_tokens = 0;
  bool do_sample = false;
  float temperature = 1.0f;
  int64_t top_k = 0;
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repetition_penalty = 1.0f;
  uint64_t seed = 0;
  int64_t num_beams = 1;
  float length_penalty = 1.0f;
  EarlyStopping early_stopping = EarlyStopping::kNo;
  std::vector<std::string> stop_strings;
  std::vector<int64_t> eos_token_ids;
  StreamCallback stream;
  std::shared_ptr<const CancelToken> cancel;
  std::shared_ptr<const DraftModel> draft;  // null: none
  bool prompt_lookup = true;
};

/// Validates ranges and merges the sources of defaults. EOS ids come from generation_config.json,
/// else config.json. `prompt_tokens` is the longest prompt (max_length counts it). A context_length
/// of 0 sets no limit.
/// @throws InvalidInputError  a value out of range (named, with the range), prompt empty or not
///                            shorter than the context, or prompt + max_new_tokens beyond the
///                            context when max_new_tokens was asked for by the caller; beams
///                            together with sampling, a stream, stop strings, a
///                            draft model or prompt lookup.
MM_ORCH_EXPORT ResolvedConfig resolve(const GenerationConfig& asked,
                                      const nlohmann::json& generation_config,
                                      const nlohmann::json& config, int64_t prompt_tokens,
                                      int64_t context_length);

/// Opens a session on the model that should run next: `open` once at the start, `recover` after
/// each failed step with its error (a BackendError or an OutOfMemoryError). Both throw to give up;
/// the loop goes on for as long as `recover` offers sessions.
struct SessionProvider {
  virtual ~SessionProvider() = default;
  virtual std::unique_ptr<backend::Session> open(const backend::SessionOptions& options) = 0;
  virtual std::unique_ptr<backend::Session> recover(const MuAIError& error,
                                                    const backend::SessionOptions& options) = 0;
  virtual std::string backend_name() const = 0;  // of the session opened last
};

inline constexpr int64_t kPrefillChunk = 512;

/// Generates for a batch of prompts (token ids). After a recovery the tokens so far are fed again
/// and the loop goes on after the last one; the reader of the stream notices nothing.
/// NaN or Inf in the logits is a NumericFaultError, which recovers like any failed step.
/// Cancellation is checked before every step; a long prompt is fed in steps of at most
/// kPrefillChunk tokens. What the stream or the cancel token throws passes through.
/// With num_beams > 1 the best text of a beam search is the result; it is not streamed.
/// @param tokenizer  may be null: the results then have no text, and the stream is not called.
/// @param sources    encoder-decoder models: the source text of each prompt; the prompts are what
///                   the decoder is fed first.
/// @throws InvalidInputError  an empty prompt, stop strings without a tokenizer, or what
///                            Session::step refuses; these do not recover.
MM_ORCH_EXPORT std::vector<GenerationResult> generate(
    SessionProvider& sessions, std::shared_ptr<const text::Tokenizer> tokenizer,
    std::span<const std::vector<int64_t>> prompts, const ResolvedConfig& config,
    std::span<const std::vector<int64_t>> sources = {});

}  // namespace mm_orch::generation
