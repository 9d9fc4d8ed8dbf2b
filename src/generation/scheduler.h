// Continuous batching: the steps of all sessions of one paged model, joined. Sequences join
// and leave at every step; long prompts are fed in pieces beside the others' tokens. A
// session waits until its own are computed; sampling and streaming stay in the caller's
// thread. One that is alone computes its steps itself. One that lets the others wait, as its
// caller takes long over a token, may lose its room to them, and comes back as the last. The
// youngest lose theirs when the older ones need more, and come back as the first. Both wait no
// longer than a new one.
// Source: Yu et al. 2022, "Orca: A Distributed Serving System for Transformer-Based
// Generative Models".
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "backend/paged_sequence.h"
#include "config/config.h"
#include "mm_orch/scheduling.h"

namespace mm_orch::generation {

class MM_ORCH_EXPORT Scheduler {
 public:
  Scheduler(backend::PagedRunner& runner, const config::SchedulerConfig& options);
  /// No session may be left.
  ~Scheduler();

  /// Takes part in the steps until it is destroyed. Its step also throws OverloadedError, if too
  /// many wait for room or the time-out has passed, and CancelledError.
  /// @param cancelled  asked every 50 ms while a step waits; null: never.
  std::unique_ptr<backend::SequenceStepper> join(std::function<bool()> cancelled = nullptr);
  SchedulingStats stats() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Participant;
  struct Part;
  class Stepper;

  backend::StepOutlook outlook(const Participant& participant) const;
  void compute(Participant& participant);
  void leave(Participant& participant);
  void rest(Participant& participant, std::span<backend::PagedSequence> sequences);
  void wake(Participant& participant);
  void wait_for_turn(std::unique_lock<std::mutex>& lock, Participant& participant);

  void work();
  bool gather(std::unique_lock<std::mutex>& lock);
  bool advance(std::unique_lock<std::mutex>& lock);
  void admit();
  int64_t blocks_wanted(const Participant& participant) const;
  std::vector<Part> missing_parts();
  std::vector<Part> choose();
  void adopt(backend::PagedSequence& sequence);
  bool reserve(const Part& part, std::vector<Part>& chosen);
  bool take_room_after(const Part& part, std::vector<Part>& chosen);
  void take_room_of(backend::PagedSequence& sequence);
  bool take_room_of_resting();
  void run(std::unique_lock<std::mutex>& lock, const std::vector<Part>& parts);
  void note_decoding(const std::vector<Part>& parts);
  void take(const std::vector<Part>& parts);
  void complete(const Part& part);
  void finish(Participant& participant, std::exception_ptr error);

  backend::PagedRunner& runner_;
  const config::SchedulerConfig options_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::list<Participant*> waiting_;  // for room, in order
  std::list<Participant*> active_;   // have room, the oldest first
  SchedulingStats stats_;
  backend::StepMeter meter_;
  Clock::duration last_step_{};
  bool stepping_ = false;  // a thread computes a step
  bool stop_ = false;
  std::vector<float> logits_;
  std::thread worker_;
};

}  // namespace mm_orch::generation
