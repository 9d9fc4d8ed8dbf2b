#include <gtest/gtest.h>

#include <thread>

#include "openvino_fixture.h"

namespace mm_orch::openvino {
namespace {

constexpr double kTolerance = 1e-5;  // f32, other order of sums

std::shared_ptr<backend::LoadedModel> llama() {
  static const auto model = OpenVinoBackend().load(llama_graph(), {});
  return model;
}

TEST(OpenVinoSession, ChunkedPrefillEqualsOneShot) {
  const auto tokens = some_tokens(12);
  const auto whole = step(*llama()->new_session({}), tokens);
  const auto session = llama()->new_session({});
  step(*session, {tokens.begin(), tokens.begin() + 5});
  step(*session, {tokens.begin() + 5, tokens.begin() + 6});
  EXPECT_LT(error_of(step(*session, {tokens.begin() + 6, tokens.end()}), whole), kTolerance);
  EXPECT_EQ(session->length(), 12);
}

TEST(OpenVinoSession, AllTokensEndWithTheLastTokensLogits) {
  const auto all = step(*llama()->new_session({}), some_tokens(9), LogitsOf::kAllTokens);
  const auto last = step(*llama()->new_session({}), some_tokens(9), LogitsOf::kLastToken);
  ASSERT_EQ(all.size(), 9 * last.size());
  EXPECT_LT(error_of(std::span(all).last(last.size()), last), kTolerance);
}

TEST(OpenVinoSession, LeftPaddedSequenceEqualsUnpaddedOne) {
  const auto tokens = some_tokens(6, 1);
  const auto other = some_tokens(10, 2);
  std::vector<int64_t> batch(4, 0);
  batch.insert(batch.end(), tokens.begin(), tokens.end());
  batch.insert(batch.end(), other.begin(), other.end());
  const auto padded = llama()->new_session({.batch = 2, .padding = {4, 0}, .capacity = 0});
  const auto alone = llama()->new_session({});
  const auto alone_other = llama()->new_session({});
  auto logits = step(*padded, batch);
  auto first = step(*alone, tokens);
  auto second = step(*alone_other, other);
  for (int64_t next = 0; next < 3; ++next) {
    EXPECT_LT(error_of(std::span(logits).first(first.size()), first), kTolerance);
    EXPECT_LT(error_of(std::span(logits).last(second.size()), second), kTolerance);
    logits = step(*padded, {next, next + 5});
    first = step(*alone, {next});
    second = step(*alone_other, {next + 5});
  }
}

TEST(OpenVinoSession, PaddingMayArriveInChunks) {
  const auto tokens = some_tokens(6, 1);
  const auto padded = llama()->new_session({.batch = 1, .padding = {5}, .capacity = 0});
  step(*padded, {0, 0, 0});
  std::vector<int64_t> rest{0, 0};
  rest.insert(rest.end(), tokens.begin(), tokens.end());
  EXPECT_LT(error_of(step(*padded, rest), step(*llama()->new_session({}), tokens)), kTolerance);
}

TEST(OpenVinoSession, ReorderedSequencesContinueFromTheirSource) {
  const auto session = llama()->new_session({.batch = 2, .padding = {}, .capacity = 0});
  auto batch = some_tokens(5, 1);
  const auto second = some_tokens(5, 9);
  batch.insert(batch.end(), second.begin(), second.end());
  step(*session, batch);
  session->reorder(std::vector<int32_t>{1, 0});
  session->reorder(std::vector<int32_t>{0, 0});  // both now continue from the second sequence
  const auto logits = step(*session, {8, 8});
  const auto alone = llama()->new_session({});
  step(*alone, second);
  const auto expected = step(*alone, {8});
  EXPECT_LT(error_of(std::span(logits).first(expected.size()), expected), kTolerance);
  EXPECT_LT(error_of(std::span(logits).last(expected.size()), expected), kTolerance);
}

TEST(OpenVinoSession, NewSessionHasNoPastOfAClosedOne) {
  const auto first = step(*llama()->new_session({}), some_tokens(7));
  { step(*llama()->new_session({}), some_tokens(20, 4)); }
  EXPECT_EQ(step(*llama()->new_session({}), some_tokens(7)), first);
}

TEST(OpenVinoSession, OutlivesTheCallersModel) {
  auto model = OpenVinoBackend().load(gpt2_graph(), {});
  const auto session = model->new_session({});
  model.reset();
  EXPECT_EQ(step(*session, {1, 2}).size(), 60U);
}

TEST(OpenVinoSession, TwoThreadsDoNotDisturbEachOther) {
  const auto generate = [](int64_t seed) {
    const auto session = llama()->new_session({});
    auto logits = step(*session, some_tokens(6, seed));
    std::vector<int64_t> tokens;
    for (int i = 0; i < 20; ++i) {
      tokens.push_back(std::max_element(logits.begin(), logits.end()) - logits.begin());
      logits = step(*session, {tokens.back()});
    }
    return tokens;
  };
  const auto expected_first = generate(1), expected_second = generate(2);
  std::vector<int64_t> first, second;
  {
    std::jthread one([&] { first = generate(1); });
    std::jthread two([&] { second = generate(2); });
  }
  EXPECT_EQ(first, expected_first);
  EXPECT_EQ(second, expected_second);
}

TEST(OpenVinoSession, RefusesWhatIsOutsideOfTheModel) {
  const auto session = llama()->new_session({});
  EXPECT_THROW(step(*session, {60}), InvalidInputError);
  EXPECT_THROW(step(*session, {-1}), InvalidInputError);
  EXPECT_THROW(step(*session, {}), InvalidInputError);
  EXPECT_THROW(step(*session, some_tokens(65)), InvalidInputError);
  step(*session, some_tokens(64));
  EXPECT_THROW(step(*session, {1}), InvalidInputError);
  EXPECT_EQ(session->length(), 64);
  EXPECT_THROW(session->reorder(std::vector<int32_t>{1}), InvalidInputError);
  EXPECT_THROW(session->reorder(std::vector<int32_t>{0, 0}), InvalidInputError);
  EXPECT_THROW(llama()->new_session({.batch = 2, .padding = {1}, .capacity = 0}),
               InvalidInputError);
}

}  // namespace
}  // namespace mm_orch::openvino
