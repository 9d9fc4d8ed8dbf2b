// One sequence of a batch while it is being generated: its tokens, its text on the way
// to the reader (detokenizer, then stop strings, then stream), and why it ended.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "generation/generator.h"
#include "generation/sampler.h"
#include "generation/stop_matcher.h"
#include "text/detokenizer.h"

namespace mm_orch::generation {

class Sequence {
 public:
  /// `config` and `stop_strings` are kept by reference and outlive the sequence.
  Sequence(const ResolvedConfig& config, const StopStrings& stop_strings, size_t index,
           const std::vector<int64_t>& prompt,
           const std::shared_ptr<const text::Tokenizer>& tokenizer);

  Sampler& sampler() { return sampler_; }
  size_t index() const { return index_; }  // of its prompt

  /// Takes the next token; may call the stream, and may end the sequence.
  void accept(int64_t token);
  /// Ends the sequence because the request was cancelled.
  void cancel() { end(FinishReason::kCancelled); }
  bool done() const { return done_; }

  GenerationResult& result() { return result_; }

 private:
  bool is_eos(int64_t token) const;
  void show(std::string_view text);
  void emit(std::string_view piece);
  void end(FinishReason reason);

  const ResolvedConfig& config_;
  size_t index_;
  Sampler sampler_;
  std::optional<text::Detokenizer> detokenizer_;
  StopMatcher stop_matcher_;
  GenerationResult result_;
  bool done_ = false;
  bool refused_ = false;  // the stream asked for no more
};

}  // namespace mm_orch::generation
