// A backend session without a model, for tests: its logits are a function of the tokens
// fed so far, so that a replay gives what an unbroken run gives. Fails on command.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "generation/generator.h"

namespace mm_orch::testing {

/// Logits [V] after the given tokens of one sequence: its source's, if it has one, then those fed
/// to it (padding left out).
using LogitsFunction = std::function<std::vector<float>(std::span<const int64_t> history)>;

/// What happens at step `n` of all steps, over all sessions: called before it, may throw.
using StepHook = std::function<void(int64_t n)>;

struct Script {
  LogitsFunction logits;
  StepHook before_step;
  int64_t nan_at_step = -1;  // the logits of this step hold a NaN
  int64_t steps = 0;         // taken so far, over all sessions
  StepHook before_reorder;
  int64_t reorders = 0;
  int64_t largest_step = 0;  // tokens per sequence
  int64_t live_sessions = 0;
};

class ScriptedSession : public backend::Session {
 public:
  ScriptedSession(std::shared_ptr<Script> script, backend::SessionOptions options)
      : script_(std::move(script)), options_(std::move(options)), rows_(options_.batch) {
    ++script_->live_sessions;
  }
  ~ScriptedSession() override { --script_->live_sessions; }

  std::span<const float> step(std::span<const int64_t> tokens, backend::LogitsOf) override {
    const int64_t n = script_->steps++;
    if (script_->before_step) script_->before_step(n);
    const size_t count = tokens.size() / rows_.size();
    script_->largest_step = std::max(script_->largest_step, static_cast<int64_t>(count));
    logits_.clear();
    for (size_t b = 0; b < rows_.size(); ++b) {
      const auto fed = tokens.subspan(b * count, count);
      rows_[b].insert(rows_[b].end(), fed.begin(), fed.end());
      const size_t padding = options_.padding.empty() ? 0 : options_.padding[b];
      std::vector<int64_t> history;
      if (!options_.sources.empty())
        history.assign(options_.sources[b].begin(), options_.sources[b].end());
      const auto begin = static_cast<std::ptrdiff_t>(std::min(padding, rows_[b].size()));
      history.insert(history.end(), rows_[b].begin() + begin, rows_[b].end());
      const auto row_logits = script_->logits(history);
      logits_.insert(logits_.end(), row_logits.begin(), row_logits.end());
    }
    if (options_.capacity > 0 && length() > options_.capacity) {
      throw InvalidInputError("more tokens fed than the session's capacity");
    }
    if (n == script_->nan_at_step) logits_[logits_.size() / 2] = std::nanf("");
    return logits_;
  }

  void reorder(std::span<const int32_t> source) override {
    const int64_t n = script_->reorders++;
    if (script_->before_reorder) script_->before_reorder(n);
    auto rows = rows_;
    for (size_t b = 0; b < rows.size(); ++b) rows[b] = rows_[static_cast<size_t>(source[b])];
    rows_ = std::move(rows);
  }
  int64_t length() const override { return static_cast<int64_t>(rows_.front().size()); }

 private:
  std::shared_ptr<Script> script_;
  backend::SessionOptions options_;
  std::vector<std::vector<int64_t>> rows_;
  std::vector<float> logits_;
};

class ScriptedProvider : public generation::SessionProvider {
 public:
  explicit ScriptedProvider(LogitsFunction logits) : script(std::make_shared<Script>()) {
    script->logits = std::move(logits);
  }

  std::unique_ptr<backend::Session> open(const backend::SessionOptions& options) override {
    opened.push_back(options);
    return std::make_unique<ScriptedSession>(script, options);
  }
  std::unique_ptr<backend::Session> recover(const MuAIError& error,
                                            const backend::SessionOptions& options) override {
    errors.push_back(error.code());
    if (!recovers) throw_error(error.code(), error.what(), error.context());
    name = "second";
    return open(options);
  }
  std::string backend_name() const override { return name; }

  std::shared_ptr<Script> script;
  bool recovers = true;
  std::string name = "first";
  std::vector<backend::SessionOptions> opened;
  std::vector<ErrorCode> errors;
};

/// Logits [V] that depend on the whole history, without ties and without structure.
inline std::vector<float> hashed_logits(std::span<const int64_t> history, int64_t vocabulary,
                                        float spread = 4.0f) {
  uint64_t state = 0x243f6a8885a308d3u;
  for (int64_t token : history) {
    state = (state ^ static_cast<uint64_t>(token + 1)) * 0x9e3779b97f4a7c15u;
    state ^= state >> 29;
  }
  std::vector<float> logits(vocabulary);
  for (float& logit : logits) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    logit = spread * static_cast<float>(static_cast<double>(state >> 11) * 0x1.0p-53 - 0.5);
  }
  return logits;
}

/// Logits [V] that make `token` by far the likeliest.
inline std::vector<float> chosen_logits(int64_t token, int64_t vocabulary) {
  std::vector<float> logits(vocabulary, 0.0f);
  logits[token] = 10.0f;
  return logits;
}

}  // namespace mm_orch::testing
