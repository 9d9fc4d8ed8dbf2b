// Random traffic: lists, beams, sources, a draft model, cancelling, callbacks that die or sleep and
// steps that fail, on a cache that is too small. A second each; MM_ORCH_STRESS_SECONDS=600 makes
// it ten minutes.
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "scheduled_house.h"

namespace mm_orch::generation {
namespace {

using Clock = std::chrono::steady_clock;

enum class What { kCancels, kDies, kSleeps };

// Does so when it has been asked a few times.
class Interruption : public CancelToken {
 public:
  Interruption(int after, What what) : after_(after), what_(what) {}
  bool cancelled() const override {
    if (++asked_ <= after_) return false;
    if (what_ == What::kDies) throw std::runtime_error("dies");
    if (what_ == What::kCancels) return true;
    // Long enough to lose its room.
    if (asked_ == after_ + 1) std::this_thread::sleep_for(std::chrono::milliseconds(150));
    return false;
  }

 private:
  const int after_;
  const What what_;
  mutable std::atomic<int> asked_ = 0;
};

struct Tally {
  std::atomic<int64_t> done = 0, cancelled = 0, died = 0, recovered = 0, wrong = 0;
  std::atomic<int64_t> right_guesses = 0, draft_failures = 0;  // of a draft model
};

class Caller {
 public:
  Caller(House& house, Tally& tally, uint64_t seed, House* draft = nullptr)
      : house_(house), tally_(tally), random_(seed) {
    if (!draft) return;
    draft_ = std::make_shared<DraftModel>();
    draft_->model = draft->model;
    draft_->vocabulary = kVocabulary;
    draft_->failed = [this](const MuAIError&) { ++tally_.draft_failures; };
  }

  void call() {
    std::vector<std::vector<int64_t>> prompts;
    const bool beams = !draft_ && chance(10);
    for (uint64_t i = 0; i < (beams ? 1 : 1 + random_() % 3); ++i) prompts.push_back(prompt());
    auto config = config_of(1 + static_cast<int64_t>(random_() % 25), random_(), chance(2));
    if (beams) config.num_beams = 2 + static_cast<int64_t>(random_() % 2);
    if (beams) config.do_sample = false;
    config.draft = draft_;
    const What what = chance(12) ? What::kDies : chance(10) ? What::kSleeps : What::kCancels;
    if (what != What::kCancels || chance(6))
      config.cancel = std::make_shared<Interruption>(static_cast<int>(random_() % 20), what);
    std::vector<std::vector<int64_t>> sources;
    if (house_.cache.info().kind == graph::ModelKind::kEncoderDecoder)
      for (size_t i = 0; i < prompts.size(); ++i)
        sources.push_back(prompt_of(random_() % 5, 1 + random_() % 9));
    try {
      check(prompts, config, sources);
    } catch (const std::runtime_error& error) {
      if (std::string(error.what()) != "dies") throw;
      ++tally_.died;
    }
  }

 private:
  bool chance(uint64_t of) { return random_() % of == 0; }

  std::vector<int64_t> prompt() {
    auto prompt = prompt_of(random_() % 3, 4 + random_() % 30);  // beginnings are shared
    const auto tail = prompt_of(random_(), 1 + random_() % 20);
    prompt.insert(prompt.end(), tail.begin(), tail.end());
    return prompt;
  }

  void check(const std::vector<std::vector<int64_t>>& prompts, const ResolvedConfig& config,
             const std::vector<std::vector<int64_t>>& sources) {
    testing::ScriptedProvider standby(
        [](std::span<const int64_t> history) { return hashed_logits(history, kVocabulary); });
    ModelSessions sessions(house_.model);
    sessions.standby = &standby;
    const auto results = generation::generate(sessions, nullptr, prompts, config, sources);
    tally_.recovered += sessions.recoveries;
    auto alone = config;
    alone.cancel = nullptr;
    alone.draft = nullptr;
    const auto wanted = generation::generate(standby, nullptr, prompts, alone, sources);
    for (size_t i = 0; i < prompts.size(); ++i) {
      const auto& tokens = results[i].new_tokens;
      tally_.right_guesses += results[i].accepted_draft_tokens;
      if (results[i].finish_reason == FinishReason::kCancelled) {
        ++tally_.cancelled;
        if (config.num_beams == 1 &&
            !std::equal(tokens.begin(), tokens.end(), wanted[i].new_tokens.begin()))
          ++tally_.wrong;
      } else {
        ++tally_.done;
        if (tokens != wanted[i].new_tokens) ++tally_.wrong;
      }
    }
  }

  House& house_;
  Tally& tally_;
  std::mt19937_64 random_;
  std::shared_ptr<DraftModel> draft_;
};

int seconds() {
  const char* wanted = std::getenv("MM_ORCH_STRESS_SECONDS");
  return wanted ? std::atoi(wanted) : 1;
}

void call_from_threads(size_t count, const std::function<Caller(uint64_t seed)>& caller_of) {
  const auto end = Clock::now() + std::chrono::seconds(seconds());
  std::vector<std::jthread> callers;
  for (size_t i = 0; i < count; ++i)
    callers.emplace_back([&, i] {
      auto caller = caller_of(i);
      do caller.call();
      while (Clock::now() < end);
    });
}

// Shown by --gtest_output=json.
void record(const Tally& tally, const House& house) {
  const auto show = [](const char* name, int64_t count) {
    ::testing::Test::RecordProperty(name, std::to_string(count));
  };
  show("done", tally.done);
  show("cancelled", tally.cancelled);
  show("died", tally.died);
  show("recovered", tally.recovered);
  show("right_guesses", tally.right_guesses);
  show("draft_failures", tally.draft_failures);
  show("steps", house.stats().steps);
  show("preemptions", house.stats().preemptions);
}

void expect_empty(const House& house) {
  EXPECT_EQ(house.stats().blocks_taken, 0);
  EXPECT_EQ(house.stats().waiting + house.stats().active, 0);
}

class SchedulerStress : public ::testing::TestWithParam<graph::ModelKind> {};

TEST_P(SchedulerStress, RandomTrafficGivesEveryCallerItsOwnText) {
  config::SchedulerConfig config;
  config.step_tokens = 16;
  config.max_sequences = 6;
  House house(48, config, GetParam());
  std::atomic<uint64_t> step = 0;
  house.cache.before_step = [&](auto) {
    if (++step % 97 == 0) throw InferenceError("a step failed");
  };
  Tally tally;
  call_from_threads(10, [&](uint64_t seed) { return Caller(house, tally, seed); });
  record(tally, house);
  EXPECT_EQ(tally.wrong, 0);
  for (const auto* count : {&tally.done, &tally.cancelled, &tally.died, &tally.recovered})
    EXPECT_GT(*count, 0);
  EXPECT_GT(house.stats().preemptions, 0);
  EXPECT_EQ(house.stats().shared_tokens > 0, GetParam() == graph::ModelKind::kDecoder);
  expect_empty(house);
}

// Few callers: in larger steps nothing is guessed.
TEST(DraftStress, RandomTrafficWithADraftModelGivesEveryCallerItsOwnText) {
  House house(256), draft(24);
  std::atomic<uint64_t> step = 0;
  draft.cache.before_step = [&](auto) {
    if (++step % 31 == 0) throw InferenceError("a step failed");
  };
  Tally tally;
  call_from_threads(2, [&](uint64_t seed) { return Caller(house, tally, seed, &draft); });
  record(tally, draft);
  EXPECT_EQ(tally.wrong, 0);
  for (const auto* count :
       {&tally.done, &tally.cancelled, &tally.died, &tally.right_guesses, &tally.draft_failures})
    EXPECT_GT(*count, 0);
  EXPECT_GT(draft.stats().preemptions, 0);
  expect_empty(house);
  expect_empty(draft);
}

INSTANTIATE_TEST_SUITE_P(Kinds, SchedulerStress,
                         ::testing::Values(graph::ModelKind::kDecoder,
                                           graph::ModelKind::kEncoderDecoder));

}  // namespace
}  // namespace mm_orch::generation
