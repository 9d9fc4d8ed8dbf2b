#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "generation/generator.h"

namespace mm_orch::generation {
namespace {

using nlohmann::json;

ResolvedConfig resolve_with(const GenerationConfig& asked, const json& file = json::object(),
                            const json& config = json::object(), int64_t prompt = 10,
                            int64_t context = 1000) {
  return resolve(asked, file, config, prompt, context);
}

GenerationConfig asking(const std::function<void(GenerationConfig&)>& set) {
  GenerationConfig asked;
  set(asked);
  return asked;
}

template <class Error, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(Resolve, DefaultsToGreedyAnd50NewTokens) {
  for (const json& file : {json::object(), json()}) {
    const ResolvedConfig resolved = resolve_with({}, file, file);
    EXPECT_EQ(resolved.max_new_tokens, 50);
    EXPECT_EQ(resolved.min_new_tokens, 0);
    EXPECT_FALSE(resolved.do_sample);
    EXPECT_EQ(resolved.temperature, 1.0f);
    EXPECT_EQ(resolved.top_k, 0);
    EXPECT_EQ(resolved.top_p, 1.0f);
    EXPECT_EQ(resolved.min_p, 0.0f);
    EXPECT_EQ(resolved.repetition_penalty, 1.0f);
    EXPECT_TRUE(resolved.eos_token_ids.empty());
  }
}

TEST(Resolve, TakesTheFilesDefaultsAndTheCallersValuesOverThem) {
  const json file = json::parse(R"({"do_sample": true, "temperature": 0.6, "top_k": 40.0,
      "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1, "max_new_tokens": 7,
      "min_new_tokens": 3, "eos_token_id": [2, 5], "transformers_version": "5.0", "bos_token_id": 1})");
  const ResolvedConfig of_file = resolve_with({}, file);
  EXPECT_TRUE(of_file.do_sample);
  EXPECT_EQ(of_file.temperature, 0.6f);
  EXPECT_EQ(of_file.top_k, 40);
  EXPECT_EQ(of_file.top_p, 0.9f);
  EXPECT_EQ(of_file.min_p, 0.05f);
  EXPECT_EQ(of_file.repetition_penalty, 1.1f);
  EXPECT_EQ(of_file.max_new_tokens, 7);
  EXPECT_EQ(of_file.min_new_tokens, 3);
  EXPECT_EQ(of_file.eos_token_ids, (std::vector<int64_t>{2, 5}));

  GenerationConfig asked;
  asked.do_sample = false;
  asked.temperature = 0.5f;
  asked.top_k = 0;
  asked.top_p = 1.0f;
  asked.min_p = 0.0f;
  asked.repetition_penalty = 1.0f;
  asked.max_new_tokens = 9;
  asked.min_new_tokens = 0;
  asked.eos_token_ids.emplace();
  const ResolvedConfig of_caller = resolve_with(asked, file);
  EXPECT_FALSE(of_caller.do_sample);
  EXPECT_EQ(of_caller.temperature, 0.5f);
  EXPECT_EQ(of_caller.top_k, 0);
  EXPECT_EQ(of_caller.top_p, 1.0f);
  EXPECT_EQ(of_caller.min_p, 0.0f);
  EXPECT_EQ(of_caller.repetition_penalty, 1.0f);
  EXPECT_EQ(of_caller.max_new_tokens, 9);
  EXPECT_EQ(of_caller.min_new_tokens, 0);
  EXPECT_TRUE(of_caller.eos_token_ids.empty());
}

TEST(Resolve, TreatsNullInAFileAsNotSet) {
  const json file = json::parse(R"({"do_sample": null, "temperature": null, "top_k": null,
      "top_p": null, "max_new_tokens": null, "max_length": null, "eos_token_id": null})");
  const ResolvedConfig resolved = resolve_with({}, file, {{"eos_token_id", 3}});
  EXPECT_EQ(resolved.max_new_tokens, 50);
  EXPECT_EQ(resolved.temperature, 1.0f);
  EXPECT_EQ(resolved.eos_token_ids, (std::vector<int64_t>{3}));
}

TEST(Resolve, SamplesWhenTheCallerSetsASamplingOption) {
  const auto samples = [](const std::function<void(GenerationConfig&)>& set,
                          const json& file = json::object()) {
    return resolve_with(asking(set), file).do_sample;
  };
  EXPECT_TRUE(samples([](auto& c) { c.temperature = 0.7f; }));
  EXPECT_TRUE(samples([](auto& c) { c.top_k = 5; }));
  EXPECT_TRUE(samples([](auto& c) { c.top_p = 0.5f; }));
  EXPECT_TRUE(samples([](auto& c) { c.min_p = 0.1f; }));
  EXPECT_TRUE(samples([](auto& c) { c.top_k = 5; }, {{"do_sample", false}}));
  EXPECT_TRUE(samples([](auto&) {}, {{"do_sample", true}}));
  EXPECT_FALSE(samples([](auto& c) { c.repetition_penalty = 1.2f; }));
  EXPECT_FALSE(samples([](auto& c) { c.seed = 1; }));
  EXPECT_FALSE(samples([](auto& c) { c.temperature = 0.0f; }));
  EXPECT_FALSE(samples([](auto& c) { c.temperature = 0.0f; }, {{"do_sample", true}}));
  EXPECT_FALSE(samples([](auto& c) { c.top_k = 5, c.do_sample = false; }));
  EXPECT_FALSE(samples([](auto&) {}, {{"temperature", 0.7}}));
}

TEST(Resolve, CountsThePromptInMaxLengthAndPrefersMaxNewTokens) {
  EXPECT_EQ(resolve_with(asking([](auto& c) { c.max_length = 50; })).max_new_tokens, 40);
  EXPECT_EQ(
      resolve_with(asking([](auto& c) { c.max_length = 50, c.max_new_tokens = 5; })).max_new_tokens,
      5);
  EXPECT_EQ(resolve_with(asking([](auto& c) { c.max_length = 50; }), {{"max_new_tokens", 5}})
                .max_new_tokens,
            40);
  EXPECT_EQ(resolve_with({}, {{"max_length", 100}}).max_new_tokens, 90);
  EXPECT_EQ(resolve_with({}, {{"max_length", 100}, {"max_new_tokens", 5}}).max_new_tokens, 5);
  EXPECT_EQ(resolve_with({}, {{"max_length", 20}}).max_new_tokens, 50);
}

TEST(Resolve, CutsDefaultLengthsToTheContextButRefusesWhatWasAsked) {
  const json none = json::object();
  EXPECT_EQ(resolve_with({}, none, none, 10, 30).max_new_tokens, 20);
  EXPECT_EQ(resolve_with({}, {{"max_new_tokens", 500}}, none, 10, 30).max_new_tokens, 20);
  EXPECT_EQ(resolve_with({}, {{"max_length", 500}}, none, 10, 30).max_new_tokens, 20);
  EXPECT_EQ(resolve_with(asking([](auto& c) { c.max_new_tokens = 20; }), none, none, 10, 30)
                .max_new_tokens,
            20);
  EXPECT_EQ(
      message_of<InvalidInputError>([&] {
        resolve_with(asking([](auto& c) { c.max_new_tokens = 21; }), none, none, 10, 30);
      }),
      "max_new_tokens is 21, but after a prompt of 10 tokens the model's context of 30 leaves "
      "room for 20; lower max_new_tokens or shorten the prompt.");
  EXPECT_THROW(resolve_with(asking([](auto& c) { c.max_length = 31; }), none, none, 10, 30),
               InvalidInputError);
  EXPECT_THROW(resolve_with(asking([](auto& c) { c.max_length = 10; })), InvalidInputError);
  EXPECT_THROW(resolve_with({}, {{"max_length", 10}}), InvalidInputError);
  EXPECT_THROW(
      resolve_with(asking([](auto& c) { c.max_new_tokens = std::numeric_limits<int64_t>::max(); })),
      InvalidInputError);
}

TEST(Resolve, RefusesAPromptThatIsEmptyOrFillsTheContext) {
  const json none = json::object();
  EXPECT_THROW(resolve_with({}, none, none, 0, 30), InvalidInputError);
  EXPECT_THROW(resolve_with({}, none, none, 31, 30), InvalidInputError);
  EXPECT_EQ(
      message_of<InvalidInputError>([&] { resolve_with({}, none, none, 30, 30); }),
      "The prompt has 30 tokens, but the model's context holds 30 and needs room for at least "
      "one new token; shorten the prompt to 29 tokens.");
  EXPECT_EQ(resolve_with({}, none, none, 29, 30).max_new_tokens, 1);
}

TEST(Resolve, RefusesMoreNewTokensAtLeastThanAtMost) {
  EXPECT_THROW(resolve_with(asking([](auto& c) { c.max_new_tokens = 4, c.min_new_tokens = 5; })),
               InvalidInputError);
  EXPECT_THROW(resolve_with(asking([](auto& c) { c.min_new_tokens = 51; })), InvalidInputError);
  const ResolvedConfig resolved =
      resolve_with(asking([](auto& c) { c.max_new_tokens = 4; }), {{"min_new_tokens", 10}});
  EXPECT_EQ(resolved.min_new_tokens, 4);
}

TEST(Resolve, TakesBeamsFromTheFileAndFromTheCaller) {
  const json file = {{"num_beams", 4}, {"length_penalty", 0.6}, {"early_stopping", "never"}};
  const ResolvedConfig of_file = resolve_with({}, file);
  EXPECT_EQ(of_file.num_beams, 4);
  EXPECT_EQ(of_file.length_penalty, 0.6f);
  EXPECT_EQ(of_file.early_stopping, EarlyStopping::kNever);
  const ResolvedConfig of_caller = resolve_with(asking([](auto& c) {
                                                  c.num_beams = 1;
                                                  c.early_stopping = EarlyStopping::kYes;
                                                  c.top_k = 5;
                                                }),
                                                file);
  EXPECT_EQ(of_caller.num_beams, 1);
  EXPECT_EQ(of_caller.early_stopping, EarlyStopping::kYes);
  EXPECT_EQ(message_of<InvalidInputError>([&] {
              resolve_with(asking([](auto& c) { c.temperature = 0.5f; }), file);
            }).substr(0, 55),
            "num_beams is 4 (generation_config.json), but sampling i");
}

TEST(Resolve, NamesValueAndRangeOfWhatTheCallerSetWrongly) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<std::string, std::function<void(GenerationConfig&)>>> wrong = {
      {"max_new_tokens is 0, but must be at least 1", [](auto& c) { c.max_new_tokens = 0; }},
      {"max_length is -3, but must be at least 1", [](auto& c) { c.max_length = -3; }},
      {"min_new_tokens is -1, but must be at least 0", [](auto& c) { c.min_new_tokens = -1; }},
      {"temperature is -0.5, but must be finite, at least 0",
       [](auto& c) { c.temperature = -0.5f; }},
      {"temperature is nan", [](auto& c) { c.temperature = std::nanf(""); }},
      {"temperature is inf", [=](auto& c) { c.temperature = kInfinity; }},
      {"top_k is -1, but must be at least 0", [](auto& c) { c.top_k = -1; }},
      {"top_p is 0, but must be above 0 and at most 1", [](auto& c) { c.top_p = 0.0f; }},
      {"top_p is 1.5", [](auto& c) { c.top_p = 1.5f; }},
      {"min_p is 1.5, but must be from 0 to 1", [](auto& c) { c.min_p = 1.5f; }},
      {"repetition_penalty is 0, but must be finite, above 0",
       [](auto& c) { c.repetition_penalty = 0.0f; }},
      {"num_beams is 0, but must be from 1 to 256", [](auto& c) { c.num_beams = 0; }},
      {"length_penalty is inf, but must be finite", [=](auto& c) { c.length_penalty = kInfinity; }},
      {"num_beams is 3, but sampling is on; set do_sample to false",
       [](auto& c) { c.num_beams = 3, c.top_k = 5; }},
      {"num_beams is 3, but beams cannot be streamed",
       [](auto& c) {
         c.num_beams = 3;
         c.stream = [](size_t, std::string_view) { return true; };
       }},
      {"num_beams is 3, but beams know no stop strings",
       [](auto& c) {
         c.num_beams = 3;
         c.stop_strings = {"a"};
       }},
      {"an id in eos_token_ids is -1",
       [](auto& c) {
         c.eos_token_ids = {{3, -1}};
       }},
      {"stop_strings holds an empty string",
       [](auto& c) {
         c.stop_strings = {"a", ""};
       }},
  };
  for (const auto& [text, set] : wrong) {
    const std::string message =
        message_of<InvalidInputError>([set = set] { resolve_with(asking(set)); });
    EXPECT_EQ(message.substr(0, text.size()), text);
  }
}

TEST(Resolve, NamesFileKeyAndValueOfAWrongDefault) {
  const std::vector<std::pair<std::string, json>> wrong = {
      {"top_p is \"0.9\", but must be a number above 0 and at most 1", {{"top_p", "0.9"}}},
      {"top_p is 2.0", {{"top_p", 2.0}}},
      {"top_p is 1e-60", {{"top_p", 1e-60}}},
      {"temperature is 1e+300", {{"temperature", 1e300}}},
      {"temperature is true", {{"temperature", true}}},
      {"do_sample is 1, but must be true or false", {{"do_sample", 1}}},
      {"early_stopping is \"always\", but must be true, false or \"never\"",
       {{"early_stopping", "always"}}},
      {"top_k is 2.5, but must be an integer at least 0", {{"top_k", 2.5}}},
      {"top_k is 1e+30", {{"top_k", 1e30}}},
      {"top_k is 18446744073709551615", {{"top_k", 18446744073709551615u}}},
      {"max_new_tokens is 0", {{"max_new_tokens", 0}}},
      {"max_length is [20]", {{"max_length", {20}}}},
      {"eos_token_id is \"</s>\", but must be an integer at least 0", {{"eos_token_id", "</s>"}}},
      {"eos_token_id is -1", {{"eos_token_id", {2, -1}}}},
      {"eos_token_id is false", {{"eos_token_id", false}}},
  };
  for (const auto& [text, file] : wrong) {
    const std::string expected = "generation_config.json: " + text;
    const std::string message =
        message_of<ConfigurationError>([file = file] { resolve_with({}, file); });
    EXPECT_EQ(message.substr(0, expected.size()), expected);
  }
  EXPECT_THROW(resolve_with({}, json::array()), ConfigurationError);
  EXPECT_EQ(message_of<ConfigurationError>([] {
              resolve_with({}, json::object(), {{"eos_token_id", "x"}});
            }).substr(0, 12),
            "config.json:");
}

TEST(Resolve, TakesEosFromCallerThenGenerationConfigThenConfig) {
  const json config = {{"eos_token_id", 9}};
  const auto eos = [&](const GenerationConfig& asked, const json& file) {
    return resolve_with(asked, file, config).eos_token_ids;
  };
  EXPECT_EQ(eos({}, json::object()), (std::vector<int64_t>{9}));
  EXPECT_EQ(eos({}, {{"eos_token_id", 4}}), (std::vector<int64_t>{4}));
  EXPECT_EQ(eos({}, {{"eos_token_id", {4, 5}}}), (std::vector<int64_t>{4, 5}));
  EXPECT_EQ(eos(asking([](auto& c) { c.eos_token_ids = {{7}}; }), {{"eos_token_id", 4}}),
            (std::vector<int64_t>{7}));
}

TEST(Resolve, DrawsAnotherSeedEachTimeUnlessOneIsGiven) {
  std::set<uint64_t> seeds;
  for (int i = 0; i < 10; ++i) seeds.insert(resolve_with({}).seed);
  EXPECT_EQ(seeds.size(), 10u);
  EXPECT_EQ(resolve_with(asking([](auto& c) { c.seed = 42; })).seed, 42u);
}

}  // namespace
}  // namespace mm_orch::generation
