// Streaming decode: token by token in, whole characters out. The pieces, joined,
// equal the decoding of all tokens at once. A token that ends in the middle of a
// character is held back until the character is whole.
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

  /// Adds a token, returns the text that has become certain (may be empty).
  std::string push(int64_t token);
  /// What is still held back (an unfinished character becomes U+FFFD).
  std::string flush();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<int64_t> window_;
  size_t emitted_ = 0;  // tokens of window_ whose text has been returned
};

}  // namespace mm_orch::text
