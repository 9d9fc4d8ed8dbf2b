// A paged runner without a model: its cache holds the tokens themselves, and its logits are
// a function of the history that it reads there, so that a block in the wrong place, taken
// too early or shared with the wrong text gives other logits. Fails on command.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "backend/paged.h"
#include "support/scripted_session.h"

namespace mm_orch::testing {

class TokenCache : public backend::PagedRunner {
 public:
  static constexpr int64_t kBlockTokens = 4;

  TokenCache(int64_t blocks, int64_t vocabulary = 50, int64_t context = 0,
             graph::ModelKind kind = graph::ModelKind::kDecoder)
      : PagedRunner({.kind = kind, .vocabulary_size = vocabulary, .context_length = context},
                    {.block_tokens = kBlockTokens, .block_bytes = 64, .blocks = blocks}),
        cells_(static_cast<size_t>(blocks * kBlockTokens), -1) {}

  std::function<void(std::span<const backend::SequenceStep>)> before_step;  // may throw
  LogitsFunction logits_of = [this](std::span<const int64_t> history) {
    return hashed_logits(history, info().vocabulary_size);
  };
  std::atomic<int64_t> steps = 0;
  std::atomic<int64_t> tokens = 0;
  std::atomic<int64_t> most_sequences = 0;
  std::atomic<int64_t> most_tokens = 0;

 private:
  struct Source : backend::EncodedSource {
    std::vector<int64_t> tokens;
  };

  std::vector<std::shared_ptr<const backend::EncodedSource>> encode(
      const std::vector<std::span<const int64_t>>& texts) override {
    std::vector<std::shared_ptr<const backend::EncodedSource>> sources;
    for (const auto& text : texts) {
      auto source = std::make_shared<Source>();
      source->tokens.assign(text.begin(), text.end());
      sources.push_back(std::move(source));
    }
    return sources;
  }
  void run(std::span<const backend::SequenceStep> sequences, std::vector<float>& logits) override {
    if (before_step) before_step(sequences);
    ++steps;
    logits.clear();
    int64_t count = 0;
    for (const auto& sequence : sequences) {
      const auto fed = static_cast<int64_t>(sequence.tokens.size());
      count += fed;
      const auto cell = [&](int64_t position) -> int64_t& {
        const auto block = sequence.blocks[static_cast<size_t>(position / kBlockTokens)];
        return cells_[static_cast<size_t>(block * kBlockTokens + position % kBlockTokens)];
      };
      std::vector<int64_t> history;
      if (const auto* source = dynamic_cast<const Source*>(sequence.source))
        history = source->tokens;
      for (int64_t p = 0; p < sequence.past; ++p) history.push_back(cell(p));
      for (int64_t t = 0; t < fed; ++t) {
        cell(sequence.past + t) = sequence.tokens[static_cast<size_t>(t)];
        history.push_back(sequence.tokens[static_cast<size_t>(t)]);
        if (t < fed - sequence.logits) continue;
        const auto row = logits_of(history);
        logits.insert(logits.end(), row.begin(), row.end());
      }
    }
    tokens += count;
    most_tokens = std::max<int64_t>(most_tokens, count);
    most_sequences = std::max<int64_t>(most_sequences, static_cast<int64_t>(sequences.size()));
  }
  void copy(int32_t from, int32_t to) override {
    std::copy_n(cells_.begin() + from * kBlockTokens, kBlockTokens,
                cells_.begin() + to * kBlockTokens);
  }

  std::vector<int64_t> cells_;
};

class CacheModel : public backend::LoadedModel {
 public:
  explicit CacheModel(TokenCache& cache) : cache_(cache) {}
  std::unique_ptr<backend::Session> new_session(const backend::SessionOptions&) override {
    throw InferenceError("not scheduled");
  }
  backend::PagedRunner* paged() override { return &cache_; }
  std::string device() const override { return "cpu"; }
  std::string precision() const override { return "FP32"; }
  uint64_t memory_bytes() const override { return 0; }

 private:
  TokenCache& cache_;
};

class ModelSessions : public generation::SessionProvider {
 public:
  explicit ModelSessions(std::shared_ptr<backend::LoadedModel> model) : model_(std::move(model)) {}
  std::unique_ptr<backend::Session> open(const backend::SessionOptions& options) override {
    return model_->new_session(options);
  }
  std::unique_ptr<backend::Session> recover(const MuAIError& error,
                                            const backend::SessionOptions& options) override {
    ++recoveries;
    if (!standby) throw_error(error.code(), error.what(), error.context());
    return standby->open(options);
  }
  std::string backend_name() const override { return recoveries ? "second" : "first"; }

  int recoveries = 0;
  generation::SessionProvider* standby = nullptr;

 private:
  std::shared_ptr<backend::LoadedModel> model_;
};

}  // namespace mm_orch::testing
