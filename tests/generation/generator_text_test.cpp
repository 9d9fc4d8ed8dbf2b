// What the reader of a generation sees: text, stream, stop strings.
#include <gtest/gtest.h>

#include <map>

#include "generation/generator.h"
#include "support/byte_tokenizer.h"
#include "support/scripted_session.h"
#include "text/utf8.h"

namespace mm_orch::generation {
namespace {

using testing::kEndToken;
using testing::ScriptedProvider;

using Tokens = std::vector<int64_t>;

constexpr int64_t kVocabulary = 300;
const std::vector<std::string> kWords = {"Hello", " world", "##", "#\n", "STOP"};
constexpr int64_t kHello = 257, kWorld = 258, kHashes = 259, kHashLine = 260;

Tokens bytes(std::string_view text) {
  Tokens tokens;
  for (unsigned char byte : text) tokens.push_back(byte);
  return tokens;
}

Tokens operator+(Tokens a, const Tokens& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// A prompt of one token p continues with continuations[p].
ScriptedProvider continuing(std::map<int64_t, Tokens> continuations) {
  return ScriptedProvider([continuations](std::span<const int64_t> history) {
    if (history.empty()) return std::vector<float>(kVocabulary, 0.0f);
    const auto continuation = continuations.find(history.front());
    const size_t position = history.size() - 1;
    const bool known =
        continuation != continuations.end() && position < continuation->second.size();
    return testing::chosen_logits(known ? continuation->second[position] : 0, kVocabulary);
  });
}

struct Reader {
  std::map<size_t, std::vector<std::string>> pieces;

  StreamCallback callback() {
    return [this](size_t sequence, std::string_view piece) {
      pieces[sequence].emplace_back(piece);
      return true;
    };
  }
  std::string text(size_t sequence) {
    std::string text;
    for (const std::string& piece : pieces[sequence]) text += piece;
    return text;
  }
};

class GeneratorText : public ::testing::Test {
 protected:
  std::vector<GenerationResult> run(ScriptedProvider& provider,
                                    const std::vector<Tokens>& prompts) {
    if (!config.stream) config.stream = reader.callback();
    return generate(provider, tokenizer, prompts, config);
  }

  GenerationResult run_one(const Tokens& continuation) {
    auto provider = continuing({{'p', continuation}});
    config.max_new_tokens = static_cast<int64_t>(continuation.size());
    const auto results = run(provider, {{'p'}});
    EXPECT_EQ(reader.text(0), results[0].text);
    return results[0];
  }

  std::shared_ptr<const text::Tokenizer> tokenizer = testing::byte_tokenizer(kWords);
  Reader reader;
  ResolvedConfig config;
};

TEST_F(GeneratorText, StreamsWholeCharactersThatMakeUpTheText) {
  const std::string text = "naïve 😀 かな e\u0301 ✓";
  const GenerationResult result = run_one(bytes(text));
  EXPECT_EQ(result.text, text);
  EXPECT_EQ(reader.pieces[0].size(), 15u);
  for (const std::string& piece : reader.pieces[0]) {
    EXPECT_FALSE(text::first_invalid_utf8(piece)) << piece;
  }
}

TEST_F(GeneratorText, ReplacesACharacterThatTheEndCutsShort) {
  EXPECT_EQ(run_one(bytes("a\xf0\x9f")).text, "a\uFFFD");
}

TEST_F(GeneratorText, LeavesEosOutOfTheTextWhateverItsToken) {
  for (int64_t eos : {kEndToken, kWorld}) {
    reader.pieces.clear();
    config.eos_token_ids = {kEndToken, kWorld};
    const GenerationResult result = run_one({kHello, '!', eos, 'x'});
    EXPECT_EQ(result.text, "Hello!");
    EXPECT_EQ(result.new_tokens, (Tokens{kHello, '!', eos}));
    EXPECT_EQ(result.finish_reason, FinishReason::kEos);
  }
}

TEST_F(GeneratorText, LeavesSpecialTokensOutOfTheText) {
  const GenerationResult result = run_one({kHello, kEndToken, '!'});
  EXPECT_EQ(result.text, "Hello!");
  EXPECT_EQ(result.new_tokens.size(), 3u);
}

TEST_F(GeneratorText, EndsBeforeAStopStringThatStraddlesTokens) {
  config.stop_strings = {"nothing", "###"};
  const GenerationResult result = run_one({kHello, '#', 'x', kHashes, kHashLine, kWorld, 'y'});
  EXPECT_EQ(result.text, "Hello#x");
  EXPECT_EQ(result.new_tokens, (Tokens{kHello, '#', 'x', kHashes, kHashLine}));
  EXPECT_EQ(result.finish_reason, FinishReason::kStopString);
  EXPECT_EQ(reader.pieces[0], (std::vector<std::string>{"Hello", "#x"}));
}

TEST_F(GeneratorText, HoldsCharactersOfMultibyteStopStrings) {
  config.stop_strings = {"。終"};
  EXPECT_EQ(run_one(bytes("は。終わり")).text, "は");
  reader.pieces.clear();
  EXPECT_EQ(run_one(bytes("は。わり")).text, "は。わり");
}

TEST_F(GeneratorText, ReturnsHeldTextAtEveryOtherEnd) {
  config.stop_strings = {"###"};
  EXPECT_EQ(run_one({kHello, kHashes}).text, "Hello##");
  reader.pieces.clear();
  config.eos_token_ids = {kEndToken};
  EXPECT_EQ(run_one({kHello, kHashes, kEndToken}).text, "Hello##");
}

TEST_F(GeneratorText, IgnoresStopStringsForTheMinimumLength) {
  config.stop_strings = {"o"};
  config.min_new_tokens = 2;
  const GenerationResult result = run_one({kHello, kWorld, 'f', 'o', 'o'});
  EXPECT_EQ(result.text, "Hello worldf");
  EXPECT_EQ(result.finish_reason, FinishReason::kStopString);
}

TEST_F(GeneratorText, StreamsEachSequenceOfABatchApart) {
  auto provider = continuing({{'a', bytes("first STOP")}, {'b', bytes("second one, longer")}});
  config.stop_strings = {" STOP"};
  config.max_new_tokens = 18;
  const auto results = run(provider, {{'a'}, {'b'}});
  EXPECT_EQ(results[0].text, "first");
  EXPECT_EQ(results[1].text, "second one, longer");
  for (size_t b : {0, 1}) EXPECT_EQ(reader.text(b), results[b].text);
}

TEST_F(GeneratorText, EndsOnlyTheSequenceWhoseReaderHasEnough) {
  auto provider = continuing({{'a', bytes("abcdefgh")}, {'b', bytes("ijklmnop")}});
  config.max_new_tokens = 8;
  config.stream = [&](size_t sequence, std::string_view piece) {
    reader.pieces[sequence].emplace_back(piece);
    return !(sequence == 0 && piece == "c");
  };
  const auto results = run(provider, {{'a'}, {'b'}});
  EXPECT_EQ(results[0].text, "abc");
  EXPECT_EQ(results[0].new_tokens.size(), 3u);
  EXPECT_EQ(results[0].finish_reason, FinishReason::kCancelled);
  EXPECT_EQ(results[1].text, "ijklmnop");
  EXPECT_EQ(results[1].finish_reason, FinishReason::kLength);
  EXPECT_EQ(reader.pieces[0].size(), 3u) << "not called again";
}

TEST_F(GeneratorText, ReturnsTheTextSoFarWhenCancelled) {
  auto provider = continuing({{'p', bytes("abcdefgh")}});
  auto cancel = std::make_shared<CancelToken>();
  config.cancel = cancel;
  config.stop_strings = {"dx"};
  provider.script->before_step = [&](int64_t n) {
    if (n == 3) cancel->cancel();
  };
  const auto results = run(provider, {{'p'}});
  EXPECT_EQ(results[0].text, "abcd");
  EXPECT_EQ(reader.text(0), "abcd");
  EXPECT_EQ(results[0].finish_reason, FinishReason::kCancelled);
}

TEST_F(GeneratorText, LetsTheReadersExceptionThroughEvenIfItLooksLikeABackends) {
  auto provider = continuing({{'p', bytes("abcdefgh")}});
  config.stream = [](size_t, std::string_view piece) -> bool {
    if (piece == "c") throw InferenceError("the reader's own");
    return true;
  };
  EXPECT_THROW(run(provider, {{'p'}}), InferenceError);
  EXPECT_TRUE(provider.errors.empty());
  EXPECT_EQ(provider.script->live_sessions, 0);
}

TEST_F(GeneratorText, StreamsTheSamePiecesAfterAFailureAtAnyStep) {
  const std::map<int64_t, Tokens> continuations = {
      {'a', bytes("né 😀 ") + Tokens{kHashes, kHello, kHashes, kHashLine}},
      {'b', bytes("かな") + Tokens{kEndToken}}};
  config.stop_strings = {"###"};
  config.eos_token_ids = {kEndToken};
  auto unbroken = continuing(continuations);
  const std::vector<Tokens> prompts = {{'a'}, {'b'}};
  const auto expected = run(unbroken, prompts);
  const Reader expected_reader = reader;
  for (int64_t failing = 0; failing < unbroken.script->steps; ++failing) {
    SCOPED_TRACE(failing);
    reader = {};
    auto provider = continuing(continuations);
    provider.script->before_step = [failing](int64_t n) {
      if (n == failing) throw InferenceError("injected");
    };
    const auto results = run(provider, prompts);
    EXPECT_EQ(reader.pieces, expected_reader.pieces);
    for (size_t b : {0, 1}) {
      EXPECT_EQ(results[b].text, expected[b].text);
      EXPECT_EQ(results[b].new_tokens, expected[b].new_tokens);
    }
  }
  EXPECT_EQ(expected[0].text, "né 😀 ##Hello");
}

}  // namespace
}  // namespace mm_orch::generation
