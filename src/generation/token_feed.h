// Feeds the tokens of all rows to a session and hands out the logits of their last
// positions. A ragged session is fed what each row that is not done lacks. To another the
// tokens are a matrix, aligned at the right, of which a step feeds the next columns. A new
// session starts again at the first token, so a recovery needs no other path than the start.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "generation/generator.h"
#include "generation/lookup_draft.h"

namespace mm_orch::generation {

/// The source text of prompt `i`; none for models without an encoder.
inline std::span<const int64_t> source_of(std::span<const std::vector<int64_t>> sources, size_t i) {
  return sources.empty() ? std::span<const int64_t>() : std::span(sources[i]);
}

class TokenFeed {
 public:
  /// A text that is being generated. Its vectors outlive the feed and only grow, or are replaced
  /// as `reorder` says.
  struct Row {
    const std::vector<int64_t>* prompt;
    const std::vector<int64_t>* new_tokens;
    std::span<const int64_t> source = {};  // of an encoder-decoder model
    std::function<bool()> done = nullptr;  // its logits are wanted no more; null: never
  };
  /// The logits after the row's last token and, if tokens were guessed, after each of them:
  /// float32 [1 + guessed, V].
  struct Logits {
    std::span<const float> values;
    std::span<const int64_t> guessed;
    std::span<const float> row(size_t i) const {
      const size_t width = values.size() / (1 + guessed.size());
      return values.subspan(i * width, width);
    }
  };
  /// Chooses the rows of a new session: those that are still running, at least one.
  using Arrange = std::function<std::vector<Row>()>;
  /// Takes the logits of a row, valid until the next step; may be called again for the same
  /// position after a failure, and for a row that is done.
  using Read = std::function<void(size_t row, const Logits& logits)>;
  /// Tokens that may follow all of each row's. What is wrong of them is forgotten.
  using Guess = std::function<std::vector<std::span<const int64_t>>(std::span<const size_t> rows,
                                                                    const GuessRoom& room)>;

  /// @param guess  null: none.
  TokenFeed(SessionProvider& sessions, const ResolvedConfig& config, Arrange arrange,
            Guess guess = nullptr)
      : sessions_(sessions),
        config_(config),
        arrange_(std::move(arrange)),
        guess_(std::move(guess)) {}

  /// Feeds what the session lacks and reads the logits of every row; what fails is repeated on the
  /// sessions that the provider offers.
  /// @return  false if the request was cancelled; then nothing was read.
  bool step(const Read& read);

  /// Before the next step, row b goes on from what row `source[b]` held.
  void reorder(std::vector<int32_t> source) { source_ = std::move(source); }

 private:
  backend::SessionOptions layout();
  bool feed(const Read& read);
  bool feed_rows(const Read& read);
  void forget_wrong_guess(size_t row);
  GuessRoom room_for_guesses(std::span<const size_t> rows) const;
  void guess(std::span<const size_t> rows);
  void add_row(size_t row, std::vector<backend::RowTokens>& steps);
  int64_t token_at(size_t row, int64_t position) const;
  bool cancelled() const { return config_.cancel && config_.cancel->cancelled(); }
  std::span<const int64_t> columns(int64_t first, int64_t count);
  int64_t length(const Row& row) const;
  int64_t width() const;

  SessionProvider& sessions_;
  const ResolvedConfig& config_;
  const Arrange arrange_;
  const Guess guess_;
  std::vector<Row> rows_;
  std::vector<int64_t> padding_;
  std::vector<int32_t> source_;  // empty: every row goes on from itself
  int64_t columns_fed_ = 0;
  std::vector<int64_t> fed_;                   // of each row, to a ragged session, guesses included
  std::vector<std::vector<int64_t>> guessed_;  // of each row, in the last step
  std::unique_ptr<backend::Session> session_;
  std::vector<int64_t> tokens_;
};

}  // namespace mm_orch::generation
