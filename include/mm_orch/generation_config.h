// What a caller may ask of a generation. A member that is not set takes the model's
// default (generation_config.json), else the library's default named here.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mm_orch/export.h"

namespace mm_orch {

/// Stops a generation from another thread; share one per request. `cancelled` is asked once per
/// token, on the thread that called generate, so a subclass may ask elsewhere too (signals).
class CancelToken {
 public:
  virtual ~CancelToken() = default;
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  virtual bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

/// Called with each new piece of text: whole characters only, in order, never text that a stop
/// string removes. Return false to stop the generation of that sequence (finish reason
/// "cancelled").
/// @param sequence  index of the prompt in the batch.
using StreamCallback = std::function<bool(size_t sequence, std::string_view piece)>;

/// When a beam search ends before max_new_tokens.
enum class EarlyStopping {
  kNo,     // when no beam is likely to become better than the texts that have ended
  kYes,    // when num_beams texts have ended
  kNever,  // when no beam can become better; with length_penalty > 0, not even at full length
};

struct GenerationConfig {
  /// New tokens at most, >= 1. Library default: 50. Wins over max_length.
  std::optional<int64_t> max_new_tokens;
  /// Prompt + new tokens at most, as in transformers. Off: not set.
  std::optional<int64_t> max_length;
  /// EOS and stop strings are ignored for so many new tokens, >= 0. Off: 0.
  std::optional<int64_t> min_new_tokens;

  /// Sample instead of taking the most likely token. Not set: sampling is on if the caller sets
  /// temperature (> 0), top_k, top_p or min_p, else as generation_config.json says, else greedy.
  std::optional<bool> do_sample;
  /// Divides the logits, >= 0; 0 means greedy. Off: 1.
  std::optional<float> temperature;
  /// Keep the k most likely tokens, >= 0. Off: 0. Source: Fan et al. 2018.
  std::optional<int64_t> top_k;
  /// Keep the smallest set with probability >= top_p, (0, 1]. Off: 1. Source: Holtzman et al. 2020.
  std::optional<float> top_p;
  /// Drop tokens less likely than min_p times the most likely one, [0, 1]. Off: 0.
  /// Source: Nguyen et al. 2024.
  std::optional<float> min_p;
  /// Divides positive and multiplies negative logits of seen tokens (prompt included), > 0. Off: 1.
  /// Source: Keskar et al. 2019.
  std::optional<float> repetition_penalty;
  /// Seed of the random state; the same seed gives the same tokens for the same logits, on any
  /// backend. Sequence b of a batch uses its own stream of that seed. Not set: random.
  std::optional<uint64_t> seed;

  /// Texts that are followed together, [1, 256]; the best is returned. Neither with sampling nor
  /// with a stream or stop strings. Off: 1. Source: Graves 2012; transformers' beam search.
  std::optional<int64_t> num_beams;
  /// Texts that have ended are compared by log probability / length^length_penalty, finite: above 0
  /// favours long ones. Default: 1.
  std::optional<float> length_penalty;
  /// Default: kNo.
  std::optional<EarlyStopping> early_stopping;

  /// Generation ends before the first of these; they may straddle tokens. The text returned leaves
  /// them out. Off: empty.
  std::vector<std::string> stop_strings;
  /// Overrides the model's EOS ids. An empty list: none ends the generation.
  std::optional<std::vector<int64_t>> eos_token_ids;

  /// A loaded, faster decoder with the same vocabulary. It guesses tokens that the model checks
  /// together; the text is the same (where a model computes in 8 bits, up to rounding), sooner. It
  /// pauses where that does not pay. Not with beams. Off: not set. Source: Leviathan et al. 2023.
  std::optional<std::string> draft_model;
  /// Guess tokens by looking up how the text went on earlier, and check them together: the text is
  /// the same (as with draft_model), sooner where it repeats itself. It pauses where that does not
  /// pay. Not with beams. Default: on. Source: Saxena 2023, "Prompt Lookup Decoding".
  std::optional<bool> prompt_lookup;

  StreamCallback stream;
  std::shared_ptr<const CancelToken> cancel;
};

enum class FinishReason { kEos, kStopString, kLength, kCancelled };
MM_ORCH_EXPORT std::string finish_reason_name(FinishReason reason);  // "stop_string"

/// One sequence's result.
struct GenerationResult {
  std::string text;              // the new text alone, special tokens left out
  bool continues_prompt = true;  // false: an encoder-decoder model's, which stands by itself
  std::vector<int64_t> prompt_tokens;
  std::vector<int64_t> new_tokens;  // EOS included, if it was generated
  FinishReason finish_reason = FinishReason::kLength;
  std::string backend;  // that made the last token: "pytorch", "openvino"
  double time_to_first_token_s = 0;
  double latency_s = 0;               // of the whole call, tokenizing included
  int64_t draft_tokens = 0;           // guessed by prompt lookup or a draft model
  int64_t accepted_draft_tokens = 0;  // of them, that were right
};

}  // namespace mm_orch
