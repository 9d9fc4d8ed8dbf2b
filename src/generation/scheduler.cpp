#include "generation/scheduler.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "generation/generator.h"
#include "generation/lookup_draft.h"
#include "generation/turns.h"

namespace mm_orch::generation {

using backend::PagedSequence;

namespace {

constexpr auto kCancelPoll = std::chrono::milliseconds(50);
constexpr auto kLongRest = std::chrono::milliseconds(100);
constexpr auto kShortStep = std::chrono::microseconds(500);  // its time says nothing of its tokens
constexpr int64_t kFewTokens = GuessRoom::kMost + 1;         // a token and the guess after it

bool has_blocks(const PagedSequence& sequence) { return !sequence.table.blocks().empty(); }

}  // namespace

// A session in the schedule. Its members are guarded by the scheduler's mutex.
struct Scheduler::Participant {
  explicit Participant(std::function<bool()> is_cancelled) : cancelled(std::move(is_cancelled)) {}

  const std::function<bool()> cancelled;
  std::condition_variable changed;
  bool active = false;            // has room
  bool returning = false;         // had room before
  Clock::time_point waits_since;  // in a call: since it began, or something of it was computed
  Clock::duration waited{};       // in a call, for room, each time before it got some
  bool expected = false;          // took part in the last step and will soon be back
  bool in_step = false;           // the worker computes with its sequences
  int64_t fed = 1;                // tokens of texts that decode, in its last step with such
  std::span<PagedSequence> rows;  // all its sequences, as long as it rests or a call waits
  bool rests = false;             // its caller touches none of them
  Clock::time_point rests_since;
  // Of the call that waits; `left` is 0 if none does.
  std::span<PagedSequence* const> sequences;
  std::vector<bool> done;
  size_t left = 0;
  std::vector<float>* logits = nullptr;
  std::vector<int64_t> first_row;  // of each sequence, in `logits`
  std::exception_ptr error;

  // Of a call that waits, what it needs least: what it does not step, else the last of what it
  // does; for its own sequence `index`, a later one or one that is done.
  PagedSequence* least_needed(std::optional<size_t> index) {
    for (auto& row : rows)
      if (has_blocks(row) && std::ranges::find(sequences, &row) == sequences.end()) return &row;
    for (size_t i = sequences.size(); i-- > 0;) {
      if (index && (i == *index || (i < *index && !done[i]))) continue;
      if (has_blocks(*sequences[i])) return sequences[i];
    }
    return nullptr;
  }
};

// What one sequence feeds in a step.
struct Scheduler::Part {
  Participant* participant;
  size_t index;
  int64_t count;
  int64_t logits;

  PagedSequence& sequence() const { return *participant->sequences[index]; }
  bool decodes() const { return count == logits && count <= kFewTokens; }
};

class Scheduler::Stepper : public backend::SequenceStepper {
 public:
  Stepper(Scheduler& scheduler, std::function<bool()> cancelled)
      : scheduler_(scheduler), participant_(std::move(cancelled)) {}
  ~Stepper() override { scheduler_.leave(participant_); }

  void step(std::span<PagedSequence* const> sequences, std::vector<float>& logits) override {
    participant_.sequences = sequences;
    participant_.logits = &logits;
    scheduler_.compute(participant_);
  }
  std::vector<std::shared_ptr<const backend::EncodedSource>> read_sources(
      const std::vector<std::span<const int64_t>>& texts) override {
    const Turn turn;
    return scheduler_.runner_.read_sources(texts);
  }
  backend::StepOutlook outlook() const override { return scheduler_.outlook(participant_); }
  void rest(std::span<PagedSequence> sequences) override {
    scheduler_.rest(participant_, sequences);
  }
  void wake() override { scheduler_.wake(participant_); }

 private:
  Scheduler& scheduler_;
  Participant participant_;
};

Scheduler::Scheduler(backend::PagedRunner& runner, const config::SchedulerConfig& options)
    : runner_(runner), options_(options), worker_([this] { work(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  worker_.join();
}

std::unique_ptr<backend::SequenceStepper> Scheduler::join(std::function<bool()> cancelled) {
  return std::make_unique<Stepper>(*this, std::move(cancelled));
}

SchedulingStats Scheduler::stats() const {
  const std::lock_guard lock(mutex_);
  SchedulingStats stats = stats_;
  stats.waiting = static_cast<int64_t>(waiting_.size());
  stats.active = static_cast<int64_t>(active_.size());
  stats.blocks = runner_.pool().size();
  stats.blocks_taken = runner_.pool().taken();
  return stats;
}

backend::StepOutlook Scheduler::outlook(const Participant& participant) const {
  const std::lock_guard lock(mutex_);
  backend::StepOutlook outlook{.costs = meter_.costs()};
  for (const auto* other : active_) {
    if (other == &participant) continue;
    ++outlook.sharers;
    outlook.others += other->fed;
  }
  outlook.sharers +=
      std::ranges::count_if(waiting_, [&](const auto* other) { return other != &participant; });
  return outlook;
}

// --- in the callers' threads

void Scheduler::compute(Participant& participant) {
  int64_t rows = 0;
  participant.first_row.clear();
  for (const auto* sequence : participant.sequences) {
    participant.first_row.push_back(rows);
    rows += sequence->logits;
  }
  participant.logits->resize(static_cast<size_t>(rows * runner_.info().vocabulary_size));
  participant.done.assign(participant.sequences.size(), false);
  participant.error = nullptr;

  std::unique_lock lock(mutex_);
  if (!participant.active) {
    if (!participant.returning && static_cast<int64_t>(waiting_.size()) >= options_.max_waiting)
      throw OverloadedError(
          fmt::format("{} requests wait already for room in the KV cache, the most allowed "
                      "(scheduler.max_waiting); try again later",
                      waiting_.size()));
    waiting_.push_back(&participant);
  }
  participant.waits_since = Clock::now();
  participant.waited = {};
  participant.left = participant.sequences.size();
  participant.expected = false;
  // Who is alone computes the step here: to wake the worker and wait for it takes some 0.1 ms.
  const auto alone = [&] { return active_.size() + waiting_.size() == 1; };
  if (!stepping_ && alone()) advance(lock);
  if (participant.left > 0 || !alone()) work_.notify_one();
  wait_for_turn(lock, participant);
  if (participant.error) std::rethrow_exception(std::exchange(participant.error, nullptr));
}

// Until all is computed. What the caller's `cancelled` throws leaves the schedule too.
void Scheduler::wait_for_turn(std::unique_lock<std::mutex>& lock, Participant& participant) {
  const auto withdraw = [&] {
    participant.changed.wait(lock, [&] { return !participant.in_step; });
    participant.left = 0;
    waiting_.remove(&participant);
  };
  while (participant.left > 0) {
    if (participant.changed.wait_for(lock, kCancelPoll, [&] { return participant.left == 0; }))
      break;
    bool cancelled = false;
    try {
      lock.unlock();
      cancelled = participant.cancelled && participant.cancelled();
      lock.lock();
    } catch (...) {
      lock.lock();
      withdraw();
      throw;
    }
    if (participant.left == 0) break;
    if (cancelled) {
      withdraw();
      throw CancelledError("The request was cancelled");
    }
    if (participant.in_step) continue;
    const std::chrono::duration<double> waited =
        participant.waited + (Clock::now() - participant.waits_since);
    if (waited.count() > options_.wait_timeout_seconds) {
      withdraw();
      throw OverloadedError(
          fmt::format("The request waited {:.1f} s for room in the KV cache, the most allowed "
                      "(scheduler.wait_timeout_seconds); try again later",
                      waited.count()));
    }
  }
}

void Scheduler::leave(Participant& participant) {
  const std::lock_guard lock(mutex_);
  active_.remove(&participant);
  waiting_.remove(&participant);
  participant.expected = false;
  work_.notify_one();
}

void Scheduler::rest(Participant& participant, std::span<PagedSequence> sequences) {
  const std::lock_guard lock(mutex_);
  participant.rows = sequences;
  participant.rests = true;
  participant.rests_since = Clock::now();
}

void Scheduler::wake(Participant& participant) {
  const std::lock_guard lock(mutex_);
  participant.rests = false;
}

// --- in the worker

void Scheduler::work() {
  std::unique_lock lock(mutex_);
  while (gather(lock))
    if (!advance(lock)) work_.wait_for(lock, kCancelPoll);  // perhaps for a session at rest
}

// One step; false if none can be made now.
bool Scheduler::advance(std::unique_lock<std::mutex>& lock) {
  struct Mark {
    bool& set;
    ~Mark() { set = false; }
  } const mark{stepping_};
  stepping_ = true;
  try {
    admit();
    const auto parts = choose();
    if (parts.empty()) return false;
    run(lock, parts);
  } catch (const std::bad_alloc&) {
    for (auto* participant : active_)
      if (participant->left > 0) finish(*participant, std::current_exception());
  }
  return true;
}

// Waits for calls, and a little for those that will soon be back.
bool Scheduler::gather(std::unique_lock<std::mutex>& lock) {
  const auto calls = [&](const std::list<Participant*>& list) {
    return std::ranges::any_of(list, [](const auto* p) { return p->left > 0; });
  };
  do {
    work_.wait(lock, [&] { return stop_ || (!stepping_ && (calls(active_) || calls(waiting_))); });
    const auto patience = std::clamp<Clock::duration>(
        last_step_ / 4, std::chrono::microseconds(200), std::chrono::milliseconds(5));
    work_.wait_until(lock, Clock::now() + patience, [&] {
      return stop_ || std::ranges::none_of(active_, [](const auto* p) { return p->expected; });
    });
  } while (stepping_ && !stop_);
  for (auto* participant : active_) participant->expected = false;
  return !stop_;
}

// The blocks that a session's call needs, as far as the whole cache has them.
int64_t Scheduler::blocks_wanted(const Participant& participant) const {
  const int64_t block_tokens = runner_.layout().block_tokens;
  int64_t wanted = 0;
  for (const auto* sequence : participant.sequences)
    wanted += static_cast<int64_t>(sequence->tokens.size()) / block_tokens + 1;
  return std::min(wanted, runner_.layout().blocks);
}

void Scheduler::admit() {
  int64_t available = runner_.pool().available();
  // What those that have room will still take for their calls.
  for (const auto* participant : active_) {
    if (participant->left == 0) continue;
    for (const auto* sequence : participant->sequences)
      available -= runner_.layout().blocks_for(sequence->missing());
  }
  while (!waiting_.empty()) {
    Participant* participant = waiting_.front();
    const int64_t wanted = blocks_wanted(*participant);
    while (wanted > available) {
      const int64_t before = runner_.pool().available();
      if (!take_room_of_resting()) break;
      available += runner_.pool().available() - before;
    }
    if (!active_.empty() && wanted > available) return;
    available -= wanted;
    waiting_.pop_front();
    participant->active = participant->returning = true;
    const auto now = Clock::now();
    const auto waited = now - std::exchange(participant->waits_since, now);
    participant->waited += waited;
    stats_.waiting_s += std::chrono::duration<double>(waited).count();
    active_.push_back(participant);
  }
}

// What is missing, in order of age; first what shared blocks have already.
std::vector<Scheduler::Part> Scheduler::missing_parts() {
  std::vector<Part> parts;
  for (auto* participant : active_) {
    for (size_t i = 0; participant->left > 0 && i < participant->sequences.size(); ++i) {
      if (participant->done[i]) continue;
      auto& sequence = *participant->sequences[i];
      adopt(sequence);
      if (sequence.missing() > 0)
        parts.push_back({participant, i, sequence.missing(), sequence.logits});
      else
        complete({participant, i, 0, 0});
    }
  }
  return parts;
}

// Those that decode first, then pieces of prompts.
std::vector<Scheduler::Part> Scheduler::choose() {
  auto candidates = missing_parts();
  const auto decodes = std::stable_partition(candidates.begin(), candidates.end(),
                                             [](const auto& part) { return part.decodes(); });
  // Also while those that decode choose their tokens: a long step would keep them waiting.
  const bool others_decode =
      decodes != candidates.begin() ||
      std::ranges::any_of(active_, [](const auto* participant) { return participant->left == 0; });
  int64_t budget = others_decode ? options_.step_tokens : kPrefillChunk;
  std::vector<Part> parts;
  for (auto it = candidates.begin(); it != candidates.end(); ++it) {
    if (static_cast<int64_t>(parts.size()) >= options_.max_sequences || budget <= 0) break;
    Part part = *it;
    // Failed, as another of its session did, or gave its room to those before it.
    if (part.participant->done[part.index] || !part.participant->active) continue;
    const auto& sequence = part.sequence();
    part.count = it < decodes ? sequence.missing() : std::min(sequence.missing(), budget);
    if (!reserve(part, parts)) continue;
    if (it >= decodes) budget -= part.count;
    const int64_t end = sequence.computed + part.count;
    const int64_t first_wanted = static_cast<int64_t>(sequence.tokens.size()) - sequence.logits;
    part.logits = std::max<int64_t>(0, end - std::max(first_wanted, sequence.computed));
    parts.push_back(part);
  }
  return parts;
}

void Scheduler::adopt(PagedSequence& sequence) {
  if (sequence.source) return;  // equal tokens mean other keys after another source
  const auto& layout = runner_.layout();
  if (static_cast<int64_t>(sequence.table.blocks().size()) * layout.block_tokens !=
      sequence.computed)
    return;
  const auto wanted = static_cast<size_t>(sequence.logits);
  const int64_t held =
      sequence.table.adopt(std::span(sequence.tokens).first(sequence.tokens.size() - wanted));
  stats_.shared_tokens += held - sequence.computed;
  sequence.computed = held;
}

bool Scheduler::reserve(const Part& part, std::vector<Part>& chosen) {
  auto& sequence = part.sequence();
  while (!sequence.table.reserve(sequence.computed, part.count)) {
    if (take_room_of_resting() || take_room_after(part, chosen)) continue;
    // It has the whole cache, and that is not enough.
    if (runner_.pool().taken() == static_cast<int64_t>(sequence.table.blocks().size())) {
      try {
        backend::throw_cache_full(runner_);
      } catch (const OutOfMemoryError&) {
        std::erase_if(chosen, [&](const Part& other) {
          return other.participant == part.participant;  // its caller takes its sequences away
        });
        finish(*part.participant, std::current_exception());
      }
    }
    return false;
  }
  return true;
}

// Takes the cache of the youngest sequence that is younger than the one of `part` and whose
// session waits; it is computed again when there is room. A session that has nothing left waits
// for that before those who came later, until the whole of it finds room: else it would compute,
// again and again, what it soon loses.
bool Scheduler::take_room_after(const Part& part, std::vector<Part>& chosen) {
  for (auto it = active_.rbegin(); it != active_.rend(); ++it) {
    Participant& victim = **it;
    const bool own = &victim == part.participant;
    const auto index = own ? std::optional(part.index) : std::nullopt;
    if (auto* sequence = victim.left > 0 ? victim.least_needed(index) : nullptr) {
      take_room_of(*sequence);
      std::erase_if(chosen, [&](const Part& other) { return &other.sequence() == sequence; });
      if (!own && !victim.least_needed(std::nullopt)) {
        victim.active = false;
        active_.remove(&victim);
        waiting_.push_front(&victim);
      }
      return true;
    }
    if (own) return false;
  }
  return false;
}

void Scheduler::take_room_of(PagedSequence& sequence) {
  sequence.table.clear();
  sequence.computed = 0;
  ++stats_.preemptions;
}

// Takes the cache of the session that has rested longest, and its place.
bool Scheduler::take_room_of_resting() {
  const auto latest = Clock::now() - kLongRest;
  const auto takes_long = [&](const Participant* participant) {
    return participant->rests && participant->rests_since < latest &&
           std::ranges::any_of(participant->rows, has_blocks);
  };
  auto longest = active_.end();
  for (auto it = active_.begin(); it != active_.end(); ++it)
    if (takes_long(*it) &&
        (longest == active_.end() || (*it)->rests_since < (*longest)->rests_since))
      longest = it;
  if (longest == active_.end()) return false;
  for (auto& sequence : (*longest)->rows)
    if (has_blocks(sequence)) take_room_of(sequence);
  (*longest)->active = false;
  active_.erase(longest);
  return true;
}

void Scheduler::run(std::unique_lock<std::mutex>& lock, const std::vector<Part>& parts) {
  std::vector<backend::SequenceStep> steps;
  for (const auto& part : parts) {
    const auto& sequence = part.sequence();
    steps.push_back(
        {std::span(sequence.tokens)
             .subspan(static_cast<size_t>(sequence.computed), static_cast<size_t>(part.count)),
         sequence.computed, sequence.table.blocks(), part.logits, sequence.source.get()});
    part.participant->in_step = true;
  }
  std::exception_ptr error;
  lock.unlock();
  auto start = Clock::now();
  try {
    const Turn turn;
    start = Clock::now();
    runner_.step(steps, logits_);
  } catch (...) {
    error = std::current_exception();
  }
  lock.lock();
  last_step_ = Clock::now() - start;
  for (const auto& part : parts) part.participant->in_step = false;
  if (error) {
    for (const auto& part : parts)
      if (part.participant->left > 0) finish(*part.participant, error);
    for (const auto& part : parts) part.participant->changed.notify_one();
    return;
  }
  note_decoding(parts);
  take(parts);
}

// What texts that decode fed in the last step and, if there were no others, what it took.
void Scheduler::note_decoding(const std::vector<Part>& parts) {
  int64_t tokens = 0;
  bool all_decode = true;
  for (const auto& part : parts) {
    tokens += part.count;
    all_decode &= part.decodes();
    if (part.decodes()) part.participant->fed = 0;
  }
  for (const auto& part : parts)
    if (part.decodes()) part.participant->fed += part.count;
  if (all_decode && last_step_ > kShortStep)
    meter_.measured(tokens, std::chrono::duration<double>(last_step_).count());
}

void Scheduler::take(const std::vector<Part>& parts) {
  const auto vocabulary = runner_.info().vocabulary_size;
  const float* from = logits_.data();
  ++stats_.steps;
  stats_.step_sequences += static_cast<int64_t>(parts.size());
  for (const auto& part : parts) {
    auto& sequence = part.sequence();
    auto& participant = *part.participant;
    sequence.computed += part.count;
    participant.waits_since = Clock::now();
    stats_.computed_tokens += part.count;
    const int64_t still_missing = sequence.missing();
    const int64_t row = participant.first_row[part.index] + sequence.logits - part.logits -
                        std::min(still_missing, sequence.logits);
    std::copy_n(from, part.logits * vocabulary, participant.logits->begin() + row * vocabulary);
    from += part.logits * vocabulary;
    if (!sequence.source)
      sequence.table.publish(
          std::span(sequence.tokens).first(static_cast<size_t>(sequence.computed)));
    if (still_missing == 0) complete(part);
  }
  for (const auto& part : parts) part.participant->changed.notify_one();
}

void Scheduler::complete(const Part& part) {
  part.participant->done[part.index] = true;
  if (--part.participant->left == 0) finish(*part.participant, nullptr);
}

void Scheduler::finish(Participant& participant, std::exception_ptr error) {
  participant.error = std::move(error);
  participant.left = 0;
  participant.expected = true;
  std::fill(participant.done.begin(), participant.done.end(), true);
  participant.changed.notify_one();
}

}  // namespace mm_orch::generation
