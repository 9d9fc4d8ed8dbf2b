// Streaming decode: token by token in, whole characters out. The pieces, joined,
// equal the decoding of all tokens at once. A token that ends in the middle of a
// character is held back until the character is whole. The cost of a token does not
// grow with the text.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace mm_orch::text {

class MM_ORCH_EXPORT Detokenizer {
 public:
  /// @param context  the prompt's ids; the continuation is decoded as it reads after them.
  Detokenizer(std::shared_ptr<const Tokenizer> tokenizer, std::span<const int64_t> context);

  /// Adds a token, returns the text that has become certain (may be empty). Special tokens, and
  /// ids the vocabulary lacks (models pad their output), have no text.
  std::string push(int64_t token);
  /// What is still held back (an unfinished character becomes U+FFFD).
  std::string flush();

 private:
  // What the byte tokens at the window's end are: none, text so far, or no text.
  enum class Run { kNone, kHeld, kBroken };

  std::string push_byte(int64_t token, uint8_t byte);
  std::string break_run();
  std::string emit(bool everything);
  void shorten();
  size_t tail_start(std::span<const int64_t> tokens) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<int64_t> window_;       // the last tokens: all that what follows can depend on
  size_t emitted_ = 0;                // bytes of the window's text that have been returned
  bool context_ends_unsure_ = false;  // the context's last character is U+FFFD, perhaps unfinished
  Run run_ = Run::kNone;
  size_t run_begin_ = 0;    // index in window_
  size_t held_ = 0;         // pushed tokens of the run
  std::string open_bytes_;  // the unfinished character at the end of a held run
};

}  // namespace mm_orch::text
