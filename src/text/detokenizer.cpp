// Decoding looks at the last few tokens only. Two properties of the decoders allow it:
// - Byte-level: bytes of all tokens in a row, then UTF-8, where what is no character
//   becomes U+FFFD. A character has at most four bytes and so at most four tokens; any
//   four tokens end in the same state as the whole text. Only a last U+FFFD may still
//   become a character.
// - Byte fallback: a run of byte tokens ("<0xE2>") is text if all of it is UTF-8, else
//   each of its tokens is U+FFFD. So a run is held until it ends, or until it is broken
//   and every token of it, also those to come, is U+FFFD.
// Decoders also treat the start of the text apart (they strip its first space), so the
// window always starts with tokens that have text of their own.
#include "text/detokenizer.h"

#include <string_view>
#include <utility>

#include "text/utf8.h"

namespace mm_orch::text {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
constexpr size_t kWindow = 4;

std::string repeat(std::string_view text, size_t count) {
  std::string result;
  for (size_t i = 0; i < count; ++i) result += text;
  return result;
}

}  // namespace

Detokenizer::Detokenizer(std::shared_ptr<const Tokenizer> tokenizer,
                         std::span<const int64_t> context)
    : tokenizer_(std::move(tokenizer)) {
  std::vector<int64_t> tokens;
  for (const int64_t token : context) {
    if (tokenizer_->id_to_token(token) && !tokenizer_->is_special(token)) tokens.push_back(token);
  }
  for (const int64_t token : std::span(tokens).subspan(tail_start(tokens))) push(token);

  // The context's text counts as returned.
  held_ = 0;
  const std::string text = tokenizer_->decode(window_);
  if (run_ == Run::kHeld) {
    const std::span finished(window_.data(), window_.size() - open_bytes_.size());
    emitted_ = tokenizer_->decode(finished).size();
  } else {
    context_ends_unsure_ = run_ == Run::kNone && text.ends_with(kReplacement);
  }
}

std::string Detokenizer::push(int64_t token) {
  if (!tokenizer_->id_to_token(token) || tokenizer_->is_special(token)) return "";
  if (const auto byte = tokenizer_->fallback_byte(token)) return push_byte(token, *byte);

  std::string piece;
  if (!open_bytes_.empty()) piece = break_run();
  run_ = Run::kNone;
  held_ = 0;
  window_.push_back(token);
  piece += emit(false);
  shorten();
  return piece;
}

std::string Detokenizer::flush() { return open_bytes_.empty() ? emit(true) : break_run(); }

std::string Detokenizer::push_byte(int64_t token, uint8_t byte) {
  if (run_ == Run::kBroken) return std::string(kReplacement);
  std::string piece;
  if (run_ == Run::kNone) {
    piece = emit(true);  // a U+FFFD before the run is no part of it
    run_ = Run::kHeld;
    run_begin_ = window_.size();
  }
  window_.push_back(token);
  ++held_;
  open_bytes_ += static_cast<char>(byte);
  size_t length = 0;
  switch (utf8_start(open_bytes_, &length)) {
    case Utf8Start::kCharacter:
      open_bytes_.clear();
      return piece;
    case Utf8Start::kIncomplete:
      return piece;
    case Utf8Start::kInvalid:
      break;
  }
  return piece + break_run();
}

// Keeps the tokens of open_bytes_, which are U+FFFD on their own too, as the run's stand-in.
std::string Detokenizer::break_run() {
  const auto run = window_.begin() + static_cast<ptrdiff_t>(run_begin_);
  window_.erase(run, window_.end() - static_cast<ptrdiff_t>(open_bytes_.size()));
  emitted_ = tokenizer_->decode(window_).size();
  run_ = Run::kBroken;
  open_bytes_.clear();
  return repeat(kReplacement, std::exchange(held_, 0));
}

std::string Detokenizer::emit(bool everything) {
  const std::string text = tokenizer_->decode(window_);
  const bool unsure = !everything && text.ends_with(kReplacement);
  const size_t end = text.size() - (unsure ? kReplacement.size() : 0);
  if (end <= emitted_) return "";
  std::string piece = text.substr(emitted_, end - emitted_);
  emitted_ = end;
  if (std::exchange(context_ends_unsure_, false) && piece.starts_with(kReplacement)) {
    piece.erase(0, kReplacement.size());
  }
  return piece;
}

void Detokenizer::shorten() {
  const size_t start = tail_start(window_);
  if (start == 0) return;
  window_.erase(window_.begin(), window_.begin() + static_cast<ptrdiff_t>(start));
  const std::string text = tokenizer_->decode(window_);
  emitted_ = text.size() - (text.ends_with(kReplacement) ? kReplacement.size() : 0);
}

/// Start of the shortest end of `tokens` that is enough to decode what follows.
size_t Detokenizer::tail_start(std::span<const int64_t> tokens) const {
  for (size_t count = kWindow; count < tokens.size(); count *= 2) {
    size_t start = tokens.size() - count;
    while (start > 0 && tokenizer_->fallback_byte(tokens[start])) --start;
    if (start == 0 || !tokenizer_->decode(tokens.subspan(start)).empty()) return start;
  }
  return 0;
}

}  // namespace mm_orch::text
