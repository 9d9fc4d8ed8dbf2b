// A session over a paged cache: the texts of one caller. Each is fed for itself; in
// lockstep too, where a caller asks for that.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/inputs.h"
#include "backend/paged_sequence.h"

namespace mm_orch::backend {

class MM_ORCH_EXPORT PagedSession : public Session {
 public:
  /// @param owner    keeps `runner` alive; null if the caller does.
  /// @param stepper  computes the steps; null: a DirectStepper.
  PagedSession(PagedRunner& runner, std::shared_ptr<const LoadedModel> owner,
               const SessionOptions& options, std::unique_ptr<SequenceStepper> stepper = nullptr);
  ~PagedSession() override { stepper_->wake(); }

  /// Logits of padding are 0.
  std::span<const float> step(std::span<const int64_t> tokens, LogitsOf logits_of) override;
  bool ragged() const override { return true; }
  /// Rows that hold the same and are fed the same are computed once.
  std::span<const float> step_rows(std::span<const RowTokens> rows) override;
  void truncate(size_t row, int64_t length) override;
  StepOutlook outlook() const override { return stepper_->outlook(); }
  int64_t alike_tokens() const override { return runner_.alike_tokens(); }
  void close_row(size_t row) override;
  void reorder(std::span<const int32_t> source) override;
  int64_t length() const override { return length_; }

 private:
  // Those who touch rows_ keep one: else the session rests.
  struct Awake {
    explicit Awake(PagedSession& its) : session(its) { session.stepper_->wake(); }
    ~Awake() { session.stepper_->rest(session.rows_); }
    PagedSession& session;
  };
  void check(const RowTokens& row) const;
  void read_sources();
  size_t leader_of(std::span<const RowTokens> rows, size_t i) const;
  std::span<const float> in_order(std::span<const RowTokens> rows, std::span<const size_t> leaders);

  std::shared_ptr<const LoadedModel> owner_;
  PagedRunner& runner_;
  std::unique_ptr<SequenceStepper> stepper_;
  std::vector<PagedSequence> rows_;
  std::vector<int64_t> padding_;
  UniqueSources sources_;  // of an encoder-decoder model, until they are read
  int64_t length_ = 0;     // of the lockstep
  std::vector<float> computed_, logits_;
};

}  // namespace mm_orch::backend
