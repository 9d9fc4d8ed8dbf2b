// Many callers over one cache get what each would get alone, whatever joins, leaves, waits,
// fails or is cancelled beside it.
#include "generation/scheduler.h"

#include <gtest/gtest.h>

#include <thread>

#include "scheduled_house.h"

namespace mm_orch::generation {
namespace {

// So that callers meet.
void take_a_while() { std::this_thread::sleep_for(std::chrono::microseconds(500)); }

TEST(Scheduler, OneCallerGetsWhatASessionAloneGives) {
  House house(64);
  const auto prompt = prompt_of(3, 21);
  EXPECT_EQ(house.generate({prompt}, config_of(30))[0].new_tokens, expected(prompt, config_of(30)));
  EXPECT_EQ(house.stats().blocks_taken, 0);
}

TEST(Scheduler, AListOfUnequalPromptsNeedsNoPadding) {
  House house(64);
  const std::vector<std::vector<int64_t>> prompts = {prompt_of(1, 2), prompt_of(2, 17),
                                                     prompt_of(3, 9)};
  auto config = config_of(12, 5, false);
  config.prompt_lookup = false;  // so that the tokens can be counted
  const auto results = house.generate(prompts, config);
  int64_t tokens = 0;
  for (size_t i = 0; i < prompts.size(); ++i) {
    EXPECT_EQ(results[i].new_tokens, expected(prompts[i], config)) << i;
    tokens += static_cast<int64_t>(prompts[i].size()) + 11;
  }
  EXPECT_EQ(house.cache.tokens, tokens);
}

TEST(Scheduler, ManyThreadsShareStepsAndGetTheirOwnTexts) {
  config::SchedulerConfig config;
  config.step_tokens = 8;
  House house(256, config);
  house.cache.before_step = [](auto) { take_a_while(); };
  constexpr size_t kCallers = 16;
  std::vector<std::vector<int64_t>> results(kCallers);
  {
    std::vector<std::jthread> callers;
    for (size_t i = 0; i < kCallers; ++i)
      callers.emplace_back([&, i] {
        results[i] = house.generate({prompt_of(i, 5 + 3 * i)}, config_of(20, i))[0].new_tokens;
      });
  }
  for (size_t i = 0; i < kCallers; ++i)
    EXPECT_EQ(results[i], expected(prompt_of(i, 5 + 3 * i), config_of(20, i))) << i;
  EXPECT_GT(house.cache.most_sequences, 4);
  EXPECT_EQ(house.stats().blocks_taken, 0);
  EXPECT_EQ(house.stats().active, 0);
}

TEST(Scheduler, ALongPromptIsFedInPiecesBesideTheOthers) {
  config::SchedulerConfig config;
  config.step_tokens = 8;
  House house(256, config);
  std::atomic<bool> decoding = false;
  std::vector<int64_t> short_text, long_text;
  auto streaming = config_of(60, 2);
  streaming.prompt_lookup = false;
  house.cache.before_step = [&](auto) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // as a model takes its time
    if (house.cache.steps > 3) decoding = true;
  };
  {
    std::jthread first(
        [&] { short_text = house.generate({prompt_of(2, 3)}, streaming)[0].new_tokens; });
    while (!decoding) std::this_thread::yield();
    long_text = house.generate({prompt_of(9, 200)}, config_of(3, 3))[0].new_tokens;
  }
  EXPECT_EQ(short_text, expected(prompt_of(2, 3), streaming));
  EXPECT_EQ(long_text, expected(prompt_of(9, 200), config_of(3, 3)));
  EXPECT_LE(house.cache.most_tokens, 8 + 1);
}

TEST(Scheduler, ASharedBeginningIsComputedOnce) {
  House house(256);
  const auto beginning = prompt_of(1, 40);
  auto config = config_of(5);
  config.prompt_lookup = false;
  const auto ask = [&](int64_t last) {
    auto prompt = beginning;
    prompt.push_back(last);
    EXPECT_EQ(house.generate({prompt}, config)[0].new_tokens, expected(prompt, config));
  };
  ask(1);
  const int64_t alone = house.cache.tokens;
  ask(2);
  EXPECT_EQ(house.cache.tokens - alone, alone - 40);
  EXPECT_EQ(house.stats().shared_tokens, 40);
}

// The same tokens after another source have other keys and values.
TEST(Scheduler, ABeginningAfterASourceIsNotShared) {
  TokenCache cache(64, kVocabulary);
  Scheduler scheduler(cache, {});
  for (const bool sourced : {true, false}) {
    for (int i = 0; i < 2; ++i) {
      const auto stepper = scheduler.join();
      const auto source = sourced ? std::make_shared<backend::EncodedSource>() : nullptr;
      backend::PagedSequence sequence{
          .table = backend::BlockTable(cache), .tokens = prompt_of(3, 21), .source = source};
      std::vector<backend::PagedSequence*> sequences{&sequence};
      std::vector<float> logits;
      stepper->step(sequences, logits);
    }
    EXPECT_EQ(scheduler.stats().shared_tokens, sourced ? 0 : 20);
  }
}

TEST(Scheduler, WhatWasSharedIsForgottenWhenOthersNeedTheRoom) {
  House house(16);
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const auto prompt = prompt_of(seed, 30);
    EXPECT_EQ(house.generate({prompt}, config_of(8))[0].new_tokens, expected(prompt, config_of(8)));
  }
  const auto again = prompt_of(0, 30);
  EXPECT_EQ(house.generate({again}, config_of(8))[0].new_tokens, expected(again, config_of(8)));
}

TEST(Scheduler, WhenTheCacheIsFullTheYoungestGiveWayAndNobodyLosesAnything) {
  House house(24);  // 96 tokens; each caller needs up to 60
  house.cache.before_step = [](auto) { take_a_while(); };
  constexpr size_t kCallers = 8;
  std::vector<std::vector<int64_t>> results(kCallers);
  {
    std::vector<std::jthread> callers;
    for (size_t i = 0; i < kCallers; ++i)
      callers.emplace_back([&, i] {
        results[i] = house.generate({prompt_of(i, 10)}, config_of(50, i))[0].new_tokens;
      });
  }
  for (size_t i = 0; i < kCallers; ++i)
    EXPECT_EQ(results[i], expected(prompt_of(i, 10), config_of(50, i))) << i;
  EXPECT_GT(house.stats().preemptions, 0);
  EXPECT_EQ(house.stats().blocks_taken, 0);
}

TEST(Scheduler, AListLargerThanTheCacheIsComputed) {
  House house(8);  // 32 tokens
  std::vector<std::vector<int64_t>> prompts;
  for (uint64_t i = 0; i < 5; ++i) prompts.push_back(prompt_of(i, 12));
  const auto config = config_of(10, 7, false);
  const auto results = house.generate(prompts, config);
  for (size_t i = 0; i < prompts.size(); ++i)
    EXPECT_EQ(results[i].new_tokens, expected(prompts[i], config)) << i;
}

TEST(Scheduler, ATextLargerThanTheCacheIsATypedErrorAndTheOthersGoOn) {
  House house(8);
  std::vector<int64_t> other;
  {
    std::jthread caller(
        [&] { other = house.generate({prompt_of(1, 4)}, config_of(20))[0].new_tokens; });
    EXPECT_THROW(house.generate({prompt_of(2, 40)}, config_of(5)), OutOfMemoryError);
  }
  EXPECT_EQ(other, expected(prompt_of(1, 4), config_of(20)));
  EXPECT_EQ(house.stats().blocks_taken, 0);
}

TEST(Scheduler, ATextThatOutgrowsTheCacheBesideOthersIsATypedErrorAtOnce) {
  config::SchedulerConfig config;
  config.wait_timeout_seconds = 3;
  House house(8, config);  // 32 tokens
  house.cache.before_step = [&](auto) {
    while (house.cache.steps == 1 && house.stats().active + house.stats().waiting < 2)
      std::this_thread::yield();
    take_a_while();
  };
  std::vector<int64_t> other;
  {
    std::jthread large(
        [&] { EXPECT_THROW(house.generate({prompt_of(2, 4)}, config_of(40)), OutOfMemoryError); });
    while (house.cache.steps == 0) std::this_thread::yield();
    other = house.generate({prompt_of(1, 4)}, config_of(20))[0].new_tokens;
  }
  EXPECT_EQ(other, expected(prompt_of(1, 4), config_of(20)));
  EXPECT_GT(house.stats().preemptions, 0);
  EXPECT_EQ(house.stats().blocks_taken, 0);
}

TEST(Scheduler, WhatASessionDoesNotStepGivesWayToWhatItSteps) {
  config::SchedulerConfig config;
  config.wait_timeout_seconds = 3;
  House house(16, config);  // 64 tokens
  const auto session = house.model->new_session({.batch = 2});
  std::vector<std::vector<int64_t>> texts(2);
  const auto feed = [&](std::vector<std::vector<int64_t>> tokens) {
    std::vector<backend::RowTokens> rows;
    for (size_t row = 0; row < texts.size(); ++row) {
      texts[row].insert(texts[row].end(), tokens[row].begin(), tokens[row].end());
      if (!tokens[row].empty()) rows.push_back({.row = row, .tokens = tokens[row]});
    }
    const auto logits = session->step_rows(rows);
    const auto width = static_cast<size_t>(kVocabulary);
    for (size_t i = 0; i < rows.size(); ++i)
      EXPECT_TRUE(std::ranges::equal(logits.subspan(i * width, width),
                                     hashed_logits(texts[rows[i].row], kVocabulary)));
  };
  feed({prompt_of(1, 24), prompt_of(2, 24)});
  feed({prompt_of(3, 30), {}});
  EXPECT_EQ(house.stats().preemptions, 1);
  feed({{}, prompt_of(4, 1)});
  EXPECT_EQ(house.stats().preemptions, 2);
}

TEST(Scheduler, TellsASessionWhatStepsTakeAndWhatTheOthersFeed) {
  House house(64);
  house.cache.before_step = [](std::span<const backend::SequenceStep> sequences) {
    const size_t tokens = sequences[0].tokens.size();
    std::this_thread::sleep_for(std::chrono::milliseconds(tokens == 1 ? 2 : 20 * tokens / 3 * 2));
  };
  const auto one = house.model->new_session({.batch = 1});
  const auto feed = [&](size_t count, int64_t logits) {
    const auto tokens = prompt_of(count, count);
    one->step_rows(std::vector<backend::RowTokens>{{.row = 0, .tokens = tokens, .logits = logits}});
  };
  for (int i = 0; i < 4; ++i) {
    feed(12, 1);  // no step of texts that decode
    feed(1, 1);
    feed(3, 3);
  }
  EXPECT_EQ(one->outlook().sharers, 1);
  EXPECT_EQ(one->outlook().others, 0);
  EXPECT_GT(one->outlook().costs.ratio(3, 1), 1.5);
  EXPECT_LT(one->outlook().costs.ratio(12, 1), 5.0);  // prompts are not measured
  const auto another = house.model->new_session({.batch = 1});
  EXPECT_EQ(another->outlook().sharers, 2);
  EXPECT_EQ(another->outlook().others, 3);
}

TEST(Scheduler, AFailedStepMovesItsSequencesEachFromItsLastToken) {
  House house(256);
  testing::ScriptedProvider standby(
      [](std::span<const int64_t> history) { return hashed_logits(history, kVocabulary); });
  house.cache.before_step = [&](auto) {
    if (house.cache.steps == 9) {
      ++house.cache.steps;
      throw InferenceError("broken");
    }
  };
  const auto prompts = std::vector{prompt_of(1, 5), prompt_of(2, 11)};
  ModelSessions sessions(house.model);
  sessions.standby = &standby;
  const auto results = generation::generate(sessions, nullptr, prompts, config_of(20, 1, false));
  for (size_t i = 0; i < prompts.size(); ++i)
    EXPECT_EQ(results[i].new_tokens, expected(prompts[i], config_of(20, 1, false)));
  EXPECT_EQ(sessions.recoveries, 1);
  EXPECT_EQ(house.generate({prompts[0]}, config_of(4))[0].new_tokens,
            expected(prompts[0], config_of(4)));
}

TEST(Scheduler, CancellingInEveryStateFreesTheRoom) {
  House house(12);
  auto cancel = std::make_shared<CancelToken>();
  auto waits = config_of(40);
  waits.cancel = cancel;
  std::vector<int64_t> first;
  GenerationResult cancelled;
  std::atomic<bool> slow = true;
  house.cache.before_step = [&](auto) {
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  };
  {
    std::jthread one(
        [&] { first = house.generate({prompt_of(1, 40)}, config_of(8))[0].new_tokens; });
    while (house.cache.steps == 0) std::this_thread::yield();
    std::jthread two([&] { cancelled = house.generate({prompt_of(2, 30)}, waits)[0]; });
    while (house.stats().waiting == 0 && house.stats().active < 2) std::this_thread::yield();
    cancel->cancel();
  }
  slow = false;
  EXPECT_EQ(first, expected(prompt_of(1, 40), config_of(8)));
  EXPECT_EQ(cancelled.finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(house.stats().blocks_taken, 0);
  EXPECT_EQ(house.stats().waiting + house.stats().active, 0);
}

// Lets its caller go on when `until` says so, or after ten seconds.
struct Pause : CancelToken {
  Pause(int when, std::function<bool()> ends) : after(when), until(std::move(ends)) {}
  bool cancelled() const override {
    if (++asked != after) return false;
    rests = true;
    for (int i = 0; i < 10'000 && !until(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return false;
  }
  const int after;
  const std::function<bool()> until;
  mutable int asked = 0;
  mutable std::atomic<bool> rests = false;
};

TEST(Scheduler, WhoRestsLongGivesItsRoomToThoseWhoNeedItAndGoesOnLater) {
  config::SchedulerConfig config;
  config.wait_timeout_seconds = 5;
  config.max_waiting = 1;
  House house(16, config);  // 64 tokens; each caller needs up to 52
  std::atomic<bool> other_done = false;
  const auto pause = std::make_shared<Pause>(6, [&] { return other_done.load(); });
  for (const int beams : {1, 2}) {
    auto slow = config_of(12, 1, beams == 1);
    slow.num_beams = beams;
    const auto wanted = expected(prompt_of(1, 40), slow);
    slow.cancel = pause;
    pause->asked = 0;
    pause->rests = other_done = false;
    std::vector<int64_t> first, second;
    std::jthread one([&] { first = house.generate({prompt_of(1, 40)}, slow)[0].new_tokens; });
    while (!pause->rests) std::this_thread::yield();
    EXPECT_GT(house.stats().blocks_taken, 8);
    second = house.generate({prompt_of(2, 40)}, config_of(12))[0].new_tokens;
    other_done = true;
    one.join();
    EXPECT_EQ(second, expected(prompt_of(2, 40), config_of(12)));
    EXPECT_EQ(first, wanted);
  }
  EXPECT_EQ(house.stats().blocks_taken, 0);
  EXPECT_EQ(house.stats().waiting + house.stats().active, 0);
}

// `ended`, or ten seconds.
void wait_for(const std::atomic<bool>& ended) {
  for (int i = 0; i < 10'000 && !ended; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(Scheduler, WhoRestedTooLongWaitsInOrderBehindThoseWhoCameBefore) {
  House house(16);  // 64 tokens; each caller needs up to 52
  std::mutex mutex;
  std::vector<int64_t> order;  // in which they are computed, by their first token
  std::atomic<bool> all_there = false;
  house.cache.logits_of = [&](std::span<const int64_t> history) {
    {
      const std::lock_guard lock(mutex);
      if (order.empty() || order.back() != history[0]) order.push_back(history[0]);
    }
    if (history[0] == 2) wait_for(all_there);
    return hashed_logits(history, kVocabulary);
  };
  const auto text = [&](int64_t first, std::shared_ptr<CancelToken> cancel = nullptr) {
    auto config = config_of(12);
    config.cancel = std::move(cancel);
    house.generate({std::vector<int64_t>(40, first)}, config);
  };
  const auto wait_until_waiting = [&](int64_t count) {
    while (house.stats().waiting < count) std::this_thread::yield();
  };
  {
    std::atomic<bool> goes_on = false;
    const auto pause = std::make_shared<Pause>(6, [&] { return goes_on.load(); });
    std::jthread one([&] { text(1, pause); });
    while (!pause->rests) std::this_thread::yield();
    std::jthread two([&] { text(2); });
    while (house.stats().preemptions == 0) std::this_thread::yield();
    std::jthread three([&] { text(3); });
    wait_until_waiting(1);
    goes_on = true;
    wait_until_waiting(2);
    std::jthread four([&] { text(4); });
    wait_until_waiting(3);
    all_there = true;
  }
  EXPECT_EQ(order, (std::vector<int64_t>{1, 2, 3, 1, 4}));
}

TEST(Scheduler, WhoRestedTooLongWaitsNoLongerThanANewRequest) {
  config::SchedulerConfig config;
  config.wait_timeout_seconds = 1;
  House house(16, config);  // 64 tokens; each caller needs up to 52
  std::atomic<bool> ended = false;
  const auto pause = std::make_shared<Pause>(6, [&] { return house.stats().preemptions > 0; });
  auto slow = config_of(12);
  slow.cancel = pause;
  {
    std::jthread one([&] {
      EXPECT_THROW(house.generate({prompt_of(1, 40)}, slow), OverloadedError);
      ended = true;
    });
    while (!pause->rests) std::this_thread::yield();
    house.cache.before_step = [&](auto) { wait_for(ended); };
    EXPECT_EQ(house.generate({prompt_of(2, 40)}, config_of(12))[0].new_tokens,
              expected(prompt_of(2, 40), config_of(12)));
  }
  EXPECT_EQ(house.stats().blocks_taken, 0);
  EXPECT_EQ(house.stats().waiting + house.stats().active, 0);
}

// The older one leaves it room for a piece of its text at a time, and takes that again.
TEST(Scheduler, WhoseRoomWasTakenWaitsNoLongerThanANewRequest) {
  config::SchedulerConfig config;
  config.wait_timeout_seconds = 1;
  config.step_tokens = 4;
  House house(64, config, graph::ModelKind::kEncoderDecoder);  // 256 tokens
  std::atomic<bool> ended = false;
  house.cache.before_step = [&](auto) {
    if (!ended)
      std::this_thread::sleep_for(
          std::chrono::milliseconds(house.stats().preemptions > 0 ? 30 : 3));
  };
  const std::vector<std::vector<int64_t>> source = {prompt_of(5, 3)};
  const auto text = [&](uint64_t seed, int64_t new_tokens, std::shared_ptr<CancelToken> cancel) {
    ModelSessions sessions(house.model);
    auto asked = config_of(new_tokens);
    asked.cancel = std::move(cancel);
    return generation::generate(sessions, nullptr,
                                std::vector<std::vector<int64_t>>{prompt_of(seed, 4)}, asked,
                                source)[0]
        .new_tokens.size();
  };
  {
    const auto meets = std::make_shared<Pause>(3, [&] { return house.stats().active == 2; });
    std::jthread one([&] { EXPECT_EQ(text(1, 245, meets), 245U); });
    while (!meets->rests) std::this_thread::yield();
    EXPECT_THROW(text(2, 200, nullptr), OverloadedError);
    ended = true;
  }
  EXPECT_EQ(house.stats().blocks_taken, 0);
  EXPECT_EQ(house.stats().waiting + house.stats().active, 0);
}

TEST(Scheduler, WhoRestsKeepsItsRoomWhileThereIsEnough) {
  House house(64);
  std::atomic<bool> other_done = false;
  auto slow = config_of(12);
  const auto pause = std::make_shared<Pause>(6, [&] { return other_done.load(); });
  slow.cancel = pause;
  std::jthread one([&] { house.generate({prompt_of(1, 40)}, slow); });
  while (!pause->rests) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  house.generate({prompt_of(2, 40)}, config_of(12));
  other_done = true;
  one.join();
  EXPECT_EQ(house.stats().preemptions, 0);
}

TEST(Scheduler, TooManyThatWaitAreRefused) {
  config::SchedulerConfig config;
  config.max_waiting = 1;
  House house(4, config);
  std::atomic<bool> hold = true;
  house.cache.before_step = [&](auto) {
    while (hold) std::this_thread::yield();
  };
  std::jthread one([&] { house.generate({prompt_of(1, 12)}, config_of(2)); });
  while (house.stats().active == 0) std::this_thread::yield();
  std::jthread two([&] { house.generate({prompt_of(2, 12)}, config_of(2)); });
  while (house.stats().waiting == 0) std::this_thread::yield();
  EXPECT_THROW(house.generate({prompt_of(3, 12)}, config_of(2)), OverloadedError);
  hold = false;
}

TEST(Scheduler, AThreadThatDiesInItsCallbackLeavesTheOthersAlone) {
  House house(64);
  std::vector<int64_t> other;
  {
    std::jthread caller(
        [&] { other = house.generate({prompt_of(1, 4)}, config_of(40))[0].new_tokens; });
    auto dies = config_of(40);
    struct Bomb : CancelToken {
      bool cancelled() const override {
        return ++asked > 5 ? throw std::runtime_error("dies") : false;
      }
      mutable int asked = 0;
    };
    dies.cancel = std::make_shared<Bomb>();
    EXPECT_THROW(house.generate({prompt_of(2, 9)}, dies), std::runtime_error);
  }
  EXPECT_EQ(other, expected(prompt_of(1, 4), config_of(40)));
  EXPECT_EQ(house.stats().blocks_taken, 0);
}

TEST(Scheduler, BeamsShareTheirPrompt) {
  House house(256);
  auto config = config_of(12, 1, false);
  config.num_beams = 4;
  const auto prompt = prompt_of(4, 30);
  testing::ScriptedProvider alone(
      [](std::span<const int64_t> history) { return hashed_logits(history, kVocabulary); });
  const auto wanted =
      generation::generate(alone, nullptr, std::vector<std::vector<int64_t>>{prompt}, config)[0]
          .new_tokens;
  EXPECT_EQ(house.generate({prompt}, config)[0].new_tokens, wanted);
  EXPECT_LE(house.cache.tokens, 30 + 4 * 12);
  EXPECT_EQ(house.stats().blocks_taken, 0);
}

}  // namespace
}  // namespace mm_orch::generation
