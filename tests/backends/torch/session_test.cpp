// What a session promises, on models of both families: how the tokens were fed does
// not show in the logits.
#include <thread>

#include "backend/paged.h"
#include "torch_models.h"

namespace mm_orch::testing {
namespace {

using backend::LogitsOf;

class TorchSession : public ::testing::TestWithParam<const char*> {
 protected:
  const std::shared_ptr<backend::LoadedModel> model_ =
      load_on_torch(GetParam() == std::string("gpt2") ? random_gpt2() : random_llama());
};

INSTANTIATE_TEST_SUITE_P(Families, TorchSession, ::testing::Values("gpt2", "llama"),
                         [](const auto& family) { return family.param; });

TEST_P(TorchSession, ChunkedPrefillEqualsOneShot) {
  const auto tokens = random_tokens(40);
  const auto expected = step(*model_->new_session({}), tokens, LogitsOf::kAllTokens);
  const auto session = model_->new_session({});
  std::vector<float> actual;
  size_t fed = 0;
  for (const size_t chunk : {17, 1, 3, 19}) {
    const auto logits =
        step(*session, {tokens.begin() + fed, tokens.begin() + fed + chunk}, LogitsOf::kAllTokens);
    actual.insert(actual.end(), logits.begin(), logits.end());
    fed += chunk;
  }
  EXPECT_EQ(session->length(), 40);
  expect_equal_logits(actual, expected);
}

// Blocks of queries end within and at the end of the prompt.
TEST_P(TorchSession, LongPromptsEqualTokenByToken) {
  const auto model = load_on_torch(GetParam() == std::string("gpt2")
                                       ? random_gpt2({{"n_positions", 300}})
                                       : random_llama({{"max_position_embeddings", 300}}));
  for (const size_t count : {31, 32, 33, 128, 290}) {
    const auto tokens = random_tokens(count);
    const auto session = model->new_session({.batch = 1, .padding = {}, .capacity = 300});
    std::vector<float> expected;
    for (const auto token : tokens) expected = step(*session, {token});
    expect_equal_logits(last_logits(*model, tokens), expected);
  }
}

TEST_P(TorchSession, LastTokenAloneEqualsLastOfAll) {
  const auto tokens = random_tokens(12);
  const auto all = step(*model_->new_session({}), tokens, LogitsOf::kAllTokens);
  expect_equal_logits(last_logits(*model_, tokens), std::span(all).last(60));
}

TEST_P(TorchSession, PaddedBatchEqualsSingleSequences) {
  const std::vector<std::vector<int64_t>> prompts = {random_tokens(9, 1), random_tokens(4, 2),
                                                     random_tokens(8, 3)};
  const auto session = model_->new_session({.batch = 3, .padding = {0, 5, 1}, .capacity = 0});
  std::vector<int64_t> batch;
  for (const auto& prompt : prompts) {
    batch.insert(batch.end(), 9 - prompt.size(), 0);
    batch.insert(batch.end(), prompt.begin(), prompt.end());
  }
  const auto prefill = step(*session, batch);
  const auto decode = step(*session, {7, 8, 9});
  for (size_t b = 0; b < 3; ++b) {
    auto tokens = prompts[b];
    expect_equal_logits(std::span(prefill).subspan(b * 60, 60), last_logits(*model_, tokens));
    tokens.push_back(static_cast<int64_t>(7 + b));
    expect_equal_logits(std::span(decode).subspan(b * 60, 60), last_logits(*model_, tokens));
  }
}

TEST_P(TorchSession, PaddingLongerThanTheFirstChunk) {
  const auto tokens = random_tokens(6);
  const auto session = model_->new_session({.batch = 1, .padding = {8}, .capacity = 0});
  step(*session, std::vector<int64_t>(7, 0));
  auto rest = tokens;
  rest.insert(rest.begin(), 0);
  expect_equal_logits(step(*session, rest), last_logits(*model_, tokens));
}

TEST_P(TorchSession, ReorderCarriesCacheAndPadding) {
  const auto session = model_->new_session({.batch = 2, .padding = {0, 3}, .capacity = 0});
  const auto first = random_tokens(6, 1);
  auto second = random_tokens(3, 2);
  std::vector<int64_t> batch = first;
  batch.insert(batch.end(), 3, 0);
  batch.insert(batch.end(), second.begin(), second.end());
  step(*session, batch);
  session->reorder(std::vector<int32_t>{1, 1});
  EXPECT_EQ(session->length(), 6);
  const auto logits = step(*session, {10, 11});
  second.push_back(10);
  expect_equal_logits(std::span(logits).first(60), last_logits(*model_, second));
  second.back() = 11;
  expect_equal_logits(std::span(logits).last(60), last_logits(*model_, second));
}

TEST_P(TorchSession, CacheGrowsBeyondItsCapacity) {
  const auto tokens = random_tokens(40);
  const auto session = model_->new_session({.batch = 1, .padding = {}, .capacity = 3});
  std::vector<float> logits;
  for (const int64_t token : tokens) logits = step(*session, {token});
  expect_equal_logits(logits, last_logits(*model_, tokens));
}

TEST_P(TorchSession, RunsFullContextAndRefusesOneMore) {
  const auto session = model_->new_session({});
  step(*session, random_tokens(64));  // the context
  EXPECT_THROW(step(*session, {1}), InvalidInputError);
  EXPECT_EQ(session->length(), 64);
}

TEST_P(TorchSession, GoesOnAfterARefusedStep) {
  const auto session = model_->new_session({});
  step(*session, {1, 2, 3});
  EXPECT_THROW(step(*session, {}), InvalidInputError);
  EXPECT_THROW(step(*session, {4, 60}), InvalidInputError);
  EXPECT_THROW(step(*session, {-1}), InvalidInputError);
  EXPECT_THROW(session->reorder(std::vector<int32_t>{1}), InvalidInputError);
  EXPECT_THROW(session->reorder(std::vector<int32_t>{0, 0}), InvalidInputError);
  EXPECT_EQ(session->length(), 3);
  expect_equal_logits(step(*session, {4}), last_logits(*model_, {1, 2, 3, 4}));
}

TEST_P(TorchSession, RefusesWrongOptions) {
  EXPECT_THROW(model_->new_session({.batch = 0, .padding = {}, .capacity = 0}), InvalidInputError);
  EXPECT_THROW(model_->new_session({.batch = 2, .padding = {1}, .capacity = 0}), InvalidInputError);
  EXPECT_THROW(model_->new_session({.batch = 1, .padding = {-1}, .capacity = 0}),
               InvalidInputError);
}

TEST_P(TorchSession, SessionsSideBySideDoNotMeet) {
  const auto generate = [&](unsigned seed) {
    const auto session = model_->new_session({});
    auto logits = step(*session, random_tokens(20, seed));
    for (int i = 0; i < 40; ++i) {
      const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
      logits = step(*session, {best});
    }
    return logits;
  };
  const auto expected_1 = generate(1);
  const auto expected_2 = generate(2);
  std::vector<float> actual_1, actual_2;
  std::thread thread([&] { actual_1 = generate(1); });
  actual_2 = generate(2);
  thread.join();
  expect_equal_logits(actual_1, expected_1);
  expect_equal_logits(actual_2, expected_2);
}

TEST_P(TorchSession, OutlivesTheLastReferenceToItsModel) {
  auto model = load_on_torch(random_llama());
  const auto session = model->new_session({});
  const auto expected = last_logits(*model, {1, 2});
  model.reset();
  expect_equal_logits(step(*session, {1, 2}), expected);
}

// Batches on both sides of the switch from our kernel to sgemm.
TEST_P(TorchSession, AnyBatchEqualsSingleSequences) {
  for (const size_t size : {1, 2, 3, 7, 16, 17}) {
    const auto session =
        model_->new_session({.batch = static_cast<int64_t>(size), .padding = {}, .capacity = 0});
    const auto tokens = random_tokens(size);
    const auto logits = step(*session, tokens);
    for (size_t b = 0; b < size; ++b)
      expect_equal_logits(std::span(logits).subspan(b * 60, 60), last_logits(*model_, {tokens[b]}));
  }
}

// What guesses rely on: checked beside others, a token gets the logits it gets alone.
TEST_P(TorchSession, AFewTokensAtOnceEqualOneByOneBitForBit) {
  const auto source = GetParam() == std::string("gpt2") ? random_gpt2() : random_llama();
  for (const char* precision : {"f32", "bf16", "int8"}) {
    const auto model = load_on_torch(in_bf16(source), precision);
    const int64_t alike = model->paged()->alike_tokens();
    ASSERT_GT(alike, 1);
    const auto tokens = random_tokens(static_cast<size_t>(12 + alike));
    const auto single = model->new_session({}), joint = model->new_session({});
    std::vector<float> expected;
    step(*single, {tokens.begin(), tokens.begin() + 12});
    step(*joint, {tokens.begin(), tokens.begin() + 12});
    for (int64_t i = 0; i < alike; ++i) {
      const auto logits = step(*single, {tokens[static_cast<size_t>(12 + i)]});
      expected.insert(expected.end(), logits.begin(), logits.end());
    }
    EXPECT_EQ(step(*joint, {tokens.begin() + 12, tokens.end()}, LogitsOf::kAllTokens), expected)
        << precision;
  }
}

}  // namespace
}  // namespace mm_orch::testing
